"""Where the secrets of a real run are, and who can reach what runs it: in a real Airflow, after `make run` of a small feed."""

from __future__ import annotations

import io
import json
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from azure.storage.blob import ContainerClient
from psycopg import sql

from local.airflow_service import DAG_ID
from local.config import StackConfig, load_config
from local.postgres import connect
from local.run import RunRequest, run
from local.stack import Stack
from local.supervision import marked_processes
from tests.conftest import RULES
from tests.e2e.outcome import feed_of
from tests.leaks import leaked, secrets_of, tracked_files

PRIVATE = ["airflow/passwords.json", "connections.json", "drive-credentials.json", "stack.json", "supervisord.conf"]
"""The files of a stack that hold secrets, because programs read them from there."""

SEARCHED_OTHERWISE = ("postgres", "azurite/__blobstorage__", "mirror", "drive")
"""Folders of a stack whose content is the tables and the blobs, searched over PostgreSQL and Blob Storage, and the feeds."""


@dataclass(frozen=True)
class Ran:
    """A feed that `make run` has brought to its end, and what that has printed."""

    stack: Stack
    config: StackConfig
    feed: str
    printed: str

    def leaks(self, text: bytes) -> list[str]:
        return leaked(secrets_of(self.config), text)


@pytest.fixture(scope="module")
def ran(airflow: Stack, small: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Ran:
    out, printed = tmp_path_factory.mktemp("security") / "secrets", io.StringIO()
    with redirect_stdout(printed):
        run(RunRequest(*small, out, RULES | {"interval_seconds": 0}), airflow)
    return Ran(airflow, load_config(airflow.directory), feed_of(out), printed.getvalue())


def print_of_make_run(ran: Ran) -> Iterator[bytes]:
    yield ran.printed.encode()


def files_of_the_stack(ran: Ran) -> Iterator[bytes]:
    for name, content in _files(ran.config):
        if name not in PRIVATE:
            yield content


def task_logs(ran: Ran) -> Iterator[bytes]:
    for name, content in _files(ran.config):
        if name.startswith("airflow/logs/"):
            yield content


def tables_of_airflow(ran: Ran) -> Iterator[bytes]:
    """XCom, rendered templates, serialized DAGs, triggers, the log of events and all others."""
    yield from _tables(ran.config, "airflow")


def tables_of_the_ledger(ran: Ran) -> Iterator[bytes]:
    yield from _tables(ran.config, "ledger")


def airflow_over_rest(ran: Ran) -> Iterator[bytes]:
    """What Airflow shows to who is logged in: the runs, their tasks with rendered templates, their XComs, their logs."""
    with ran.stack.airflow_client() as client:
        runs = client.get(f"/dags/{DAG_ID}/dagRuns", params={"order_by": "-start_date", "limit": 5}).raise_for_status()
        yield runs.content
        yield client.get(f"/dags/{DAG_ID}/details").raise_for_status().content
        for run_id in (each["dag_run_id"] for each in runs.json()["dag_runs"]):
            path = f"/dags/{DAG_ID}/dagRuns/{run_id}"
            yield client.get(f"{path}/taskInstances/~/xcomEntries").content
            tasks = client.get(f"{path}/taskInstances").raise_for_status()
            yield tasks.content
            for task in tasks.json()["task_instances"]:
                yield client.get(f"{path}/taskInstances/{task['task_id']}/logs/{task['try_number'] or 1}").content


def runs_of_databricks(ran: Ran) -> Iterator[bytes]:
    """Their list, each with its tasks and parameters, and what the job has printed."""
    headers = {"Authorization": f"Bearer {ran.config.addresses.databricks_token}"}
    with httpx.Client(base_url=ran.config.addresses.databricks_url, headers=headers, trust_env=False) as client:
        runs = client.get("/api/2.2/jobs/runs/list").raise_for_status()
        yield runs.content
        for run_id in (each["run_id"] for each in runs.json()["runs"]):
            for question in ("get", "get-output"):
                yield client.get(f"/api/2.2/jobs/runs/{question}", params={"run_id": run_id}).raise_for_status().content


def blobs_of_the_feed(ran: Ran) -> Iterator[bytes]:
    addresses = ran.config.addresses
    with ContainerClient.from_connection_string(addresses.blob_connection_string, addresses.blob_container) as container:
        for kind in ("chunks", "rejects", "importance", "detections"):
            for blob in container.list_blobs(name_starts_with=f"{kind}/{ran.feed}/"):
                yield container.download_blob(blob.name).readall()


def command_lines(ran: Ran) -> Iterator[bytes]:
    """Everybody on the machine can read those."""
    for process in marked_processes(ran.config.directory):
        yield " ".join(process.cmdline()).encode()


def files_of_the_repository(_ran: Ran) -> Iterator[bytes]:
    for path in tracked_files():
        yield path.read_bytes()


@pytest.mark.parametrize(
    ("place", "holds"),
    [
        (print_of_make_run, "chunks landed, applied"),
        (files_of_the_stack, "airflow worker|detect_patterns"),
        (task_logs, "Wrote detections/secrets-"),
        (tables_of_airflow, "detect_patterns"),
        (tables_of_the_ledger, "secrets-"),
        (airflow_over_rest, "rendered_fields"),
        (runs_of_databricks, r"--batch_id.*staging complete"),
        (blobs_of_the_feed, "YStartTime"),
        (command_lines, "local.drive_standin"),
        (files_of_the_repository, "def leaked"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_no_secret_is_in(ran: Ran, place: Callable[[Ran], Iterator[bytes]], holds: str) -> None:
    text = b"\n".join(place(ran))
    assert re.search(holds.encode(), text, re.DOTALL), "what was searched is not what it is taken for"
    assert ran.leaks(text) == []


def test_secrets_are_in_files_that_only_their_owner_can_read(ran: Ran) -> None:
    found = sorted(name for name, content in _files(ran.config) if ran.leaks(content))
    assert found == PRIVATE
    modes = {name: stat.S_IMODE((ran.config.directory / name).stat().st_mode) for name in PRIVATE}
    assert modes == dict.fromkeys(PRIVATE, 0o600)
    assert not stat.S_IMODE(ran.config.directory.stat().st_mode) & 0o066, "nobody else can look into the folder"


def test_the_job_gets_its_login_as_secrets_of_databricks(ran: Ran) -> None:
    connections = json.loads(ran.config.addresses.connections_file.read_text())
    variables = connections["databricks"]["extra"]["compute"]["new_cluster"]["spark_env_vars"]
    assert sorted(variables) == ["LEDGER_JDBC_URL", "LEDGER_PASSWORD", "LEDGER_USER"]
    assert all(re.fullmatch(r"\{\{secrets/[\w-]+/[\w-]+\}\}", value) for value in variables.values())
    assert connections["ledger"]["login"] == ran.config.addresses.ledger_user == "ledger_writer"


def test_everything_listens_on_loopback_only(ran: Ran) -> None:
    sockets: list[Any] = [
        connection
        for process in marked_processes(ran.config.directory)
        for connection in _connections(process)
        if connection.status == psutil.CONN_LISTEN or (connection.type.name == "SOCK_DGRAM" and not connection.raddr)
    ]
    addresses = {connection.laddr.ip.removeprefix("::ffff:") for connection in sockets if connection.laddr}
    assert addresses <= {"127.0.0.1", "::1"}
    assert set(ran.config.ports.values()) <= {connection.laddr.port for connection in sockets}


def test_airflow_asks_who_is_there(ran: Ran) -> None:
    addresses = ran.config.addresses
    with httpx.Client(base_url=addresses.airflow_url, trust_env=False) as anybody:
        for path in ("/api/v2/dags", "/api/v2/connections", "/api/v2/config", f"/api/v2/dags/{DAG_ID}/dagRuns"):
            assert anybody.get(path).status_code == httpx.codes.UNAUTHORIZED, path
        trigger = anybody.post(f"/api/v2/dags/{DAG_ID}/dagRuns", json={"logical_date": None})
        assert trigger.status_code == httpx.codes.UNAUTHORIZED
        for password in ("wrong", "admin", addresses.airflow_password[:-1]):
            login = {"username": addresses.airflow_user, "password": password}
            assert anybody.post("/auth/token", json=login).status_code == httpx.codes.UNAUTHORIZED
        # With "all admins" it would give a token to anybody.
        assert anybody.get("/auth/token").status_code == httpx.codes.FORBIDDEN


def _files(config: StackConfig) -> Iterator[tuple[str, bytes]]:
    for path in sorted(config.directory.rglob("*")):
        name = path.relative_to(config.directory).as_posix()
        if path.is_file() and not path.is_symlink() and not name.startswith(tuple(f"{f}/" for f in SEARCHED_OTHERWISE)):
            with suppress(FileNotFoundError):  # one that was to be there for a moment
                yield name, path.read_bytes()


def _tables(config: StackConfig, database: str) -> Iterator[bytes]:
    schema = "ledger" if database == "ledger" else "public"
    with connect(config, database) as connection:
        names = connection.execute("select tablename from pg_tables where schemaname = %s", [schema]).fetchall()
        for (name,) in names:
            rows = sql.SQL("copy (select t::text from {} t) to stdout").format(sql.Identifier(schema, name))
            with connection.cursor().copy(rows) as copy:
                yield b"".join(bytes(part) for part in copy)


def _connections(process: psutil.Process) -> list[Any]:
    try:
        return list(process.net_connections("inet"))
    except psutil.Error:
        return []  # it has ended
