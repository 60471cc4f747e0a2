"""The services of docker-compose.yaml, each in a container of its own: ``python -m local.container drive``.

They are the programs of the stack (``local.stack``) without supervisord, because Docker starts again what ends. Other services
are reached by the names of their containers, and passwords are in variables ``SECRET_...``: a container has those that it needs.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

from local.config import CHECKOUT, LEDGER_ROLES, NEW_PASSWORDS, StackConfig, StackError, secret_variable, write_private
from local.connections import CONNECTIONS, write_connections
from local.programs import clean_environment

PORTS = {"postgres": 5432, "azurite": 10_000, "drive": 8093, "spark": 15_002, "minilake": 8094, "airflow": 8080}
"""Where a service listens in its container. The containers are named like the services."""

_SPARK_IS_WARM = Path("/tmp/warm")  # noqa: S108 -- the container's own; its health check looks for it
_SPARK_SECONDS = 120


def container_config(*needed: str) -> StackConfig:
    """Give the stack as a container sees it.

    Parameters
    ----------
    needed
        The passwords that must be there.

    Raises
    ------
    StackError
        The environment lacks one of them.
    """
    passwords = {name: os.environ.get(secret_variable(name), "") for name in NEW_PASSWORDS}
    if missing := [secret_variable(name) for name in needed if not passwords[name]]:
        raise StackError(f"the environment lacks {', '.join(missing)}")
    hosts = {name: name for name in PORTS} | {"airflow": "airflow-api-server"}
    return StackConfig(CHECKOUT / ".stack", PORTS, passwords, hosts, listen="0.0.0.0")  # noqa: S104 -- within Compose's network


def prepare(*, stand_ins: bool, demo_rows: int) -> None:
    """Make databases, roles and Airflow's tables, and write its connections; repeating it changes nothing.

    Parameters
    ----------
    stand_ins
        Whether Blob Storage, Databricks and Drive are containers, too: then their container, connections and demo feed are made.
    demo_rows
        Transactions of the demo feed.
    """
    names = ["postgres", "airflow_db", "airflow", *LEDGER_ROLES, *(["blob_key", "databricks_token"] if stand_ins else [])]
    config = container_config(*names)
    _service("postgres").provision(config)
    if stand_ins:
        _service("azurite").provision(config)
        _put_demo_feed_on_drive(config.addresses.drive_root, demo_rows)
    ours = [name for name in CONNECTIONS if stand_ins or name.startswith("ledger")]
    # Airflow looks into the file first: what connections.env names must not be there.
    write_connections(config, [name for name in ours if not os.environ.get(f"AIRFLOW_CONN_{name.upper()}")])
    login = {config.addresses.airflow_user: config.addresses.airflow_password}
    write_private(config.directory / "passwords.json", json.dumps(login) + "\n")
    # Importing this package has set another home.
    subprocess.run(["airflow", "db", "migrate"], env=os.environ | {"AIRFLOW_HOME": str(CHECKOUT)}, check=True)


def _put_demo_feed_on_drive(root: Path, rows: int) -> None:
    """Generate the feed's files once; those that somebody has put there stay."""
    from local.generate import generate

    transactions, importance = root / "transactions.csv", root / "CustomerImportance.csv"
    if not (transactions.exists() and importance.exists()):
        generate(transactions, importance, rows=rows)


def drive() -> None:
    """Become the Drive stand-in."""
    (program,) = _service("drive").programs(container_config())
    os.execve(program.command[0], program.command, clean_environment() | program.environment)  # noqa: S606 -- without a shell


def minilake() -> None:
    """Serve the Databricks workspace."""
    config = container_config("ledger_writer", "blob_key", "databricks_token")
    service = _service("minilake")
    service.prepare(config)
    (program,) = service.programs(config)
    os.environ.update(program.environment)  # minilake reads it when it is imported
    import_module("local.databricks").serve(config)


def spark() -> None:
    """Run the Spark Connect server, and let it answer the kinds of queries that a job has, before it is called healthy."""
    config = container_config()
    service = _service("spark")
    _SPARK_IS_WARM.unlink(missing_ok=True)  # a container that is started again still has it
    config.directory.mkdir(exist_ok=True)
    service.prepare(config)
    (program,) = service.programs(config)
    environment = clean_environment() | program.environment
    server = subprocess.Popen(program.command, cwd=program.directory, env=environment)
    signal.signal(signal.SIGTERM, lambda *_: server.terminate())
    _wait_for(server, lambda: service.check(config))
    service.provision(config)
    _SPARK_IS_WARM.touch()
    sys.exit(server.wait())


def _wait_for(server: subprocess.Popen[bytes], check: Any) -> None:
    deadline = time.monotonic() + _SPARK_SECONDS
    while True:
        try:
            check()
            return
        except OSError as error:
            if server.poll() is not None or time.monotonic() > deadline:
                raise StackError(f"Spark does not listen: {error}") from error
        time.sleep(0.2)


def _service(name: str) -> Any:
    """Give a service of the stack; only its own module is imported, as an image has not what all of them need."""
    return import_module(f"local.{name}").SERVICE


def main() -> int:
    """Command line of a container."""
    parser = argparse.ArgumentParser(prog="python -m local.container", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="SERVICE", dest="service")
    for service in (drive, spark, minilake):
        commands.add_parser(service.__name__, help=service.__doc__).set_defaults(run=service)
    one_shot = commands.add_parser("prepare", help="make what the other services need, and end")
    one_shot.add_argument("--stand-ins", action="store_true", help="Blob Storage, Databricks and Drive are containers, too")
    one_shot.add_argument("--demo-rows", type=int, default=300_000, help="transactions of the demo feed on the Drive stand-in")
    one_shot.set_defaults(run=prepare)
    arguments = vars(parser.parse_args())
    arguments.pop("service")
    run = arguments.pop("run")
    try:
        run(**arguments)
    except (StackError, subprocess.CalledProcessError) as error:
        print(f"failed: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
