"""The commands behind ``make deploy-workspace``, ``make deploy-cluster``, ``make deploy-job`` and ``make connections``.

Databricks is found and logged in to as its SDK does it: ``DATABRICKS_HOST`` with ``DATABRICKS_TOKEN``, or with the login of
``az login``, or with ``ARM_TENANT_ID``, ``ARM_CLIENT_ID`` and ``ARM_CLIENT_SECRET`` of a service principal.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

FOLDER = "/Workspace/Shared/transaction-patterns"
COMPUTE = ("existing-cluster", "job-cluster", "serverless")


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m deployment", description=__doc__.partition("\n")[0] if __doc__ else None)
    commands = parser.add_subparsers(dest="command", required=True)
    azure = argparse.ArgumentParser(add_help=False)
    azure.add_argument("--azure", required=True, type=Path, help="file with the outputs of templates/azure/main.json")
    folder = argparse.ArgumentParser(add_help=False)
    folder.add_argument("--folder", default=FOLDER, help="folder of the workspace for the job's code")
    commands.add_parser("workspace", parents=[azure], help="set up the workspace: principal, secrets, storage")
    commands.add_parser("cluster", parents=[azure], help="make the cluster that stays; prints its id")
    commands.add_parser("job", parents=[folder], help="deploy the job's code of this version")
    written = commands.add_parser("connections", parents=[azure, folder], help="write Airflow's connections")
    written.add_argument("--compute", required=True, choices=COMPUTE)
    written.add_argument("--out", required=True, type=Path, help="folder for a file a connection")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command."""
    args = _arguments(argv)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("deployment").setLevel(logging.INFO)
    try:
        _run(args)
    except (ValueError, OSError) as error:  # among the latter: all that Databricks answers
        sys.exit(f"{type(error).__name__}: {error}")


def _run(args: argparse.Namespace) -> None:
    if args.command == "connections":
        _write_connections(args)
        return
    from databricks.sdk import WorkspaceClient

    from deployment import job, workspace
    from deployment.azure import Azure

    client = WorkspaceClient()
    if args.command == "job":
        print(job.deploy_job(client, args.folder))
        return
    azure = Azure.read(args.azure)
    if args.command == "cluster":
        print(workspace.make_cluster(client, azure.airflowClientId))
        return
    password = os.environ.get("LEDGER_WRITER_PASSWORD")
    if not password:
        raise ValueError("the environment lacks LEDGER_WRITER_PASSWORD")
    ledger = {"LEDGER_JDBC_URL": azure.ledger_jdbc_url, "LEDGER_USER": "ledger_writer", "LEDGER_PASSWORD": password}
    workspace.set_up(client, azure, {**os.environ, **ledger})


def _write_connections(args: argparse.Namespace) -> None:
    from deployment.azure import Azure
    from deployment.connections import connections

    made = connections(Azure.read(args.azure), job_folder=args.folder, compute=args.compute, given=os.environ)
    args.out.mkdir(parents=True, exist_ok=True)
    for name, connection in made.items():
        # As a secrets backend names it: the key vault's names have no underscores.
        path = args.out / f"airflow-connections-{name.replace('_', '-')}.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps(connection, indent=2) + "\n")
        print(path)


if __name__ == "__main__":
    main()
