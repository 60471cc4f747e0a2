"""What the real services and the providers' unmodified hooks raise when something is wrong, and what is explained of it.

Connections are read from the environment at each use, so a test gives one that is wrong, or shows the service in another state.
"""

from __future__ import annotations

import base64
import json
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import Any

import httpx
import psycopg
import pytest
from airflow.providers.common.compat.sdk import AirflowException
from airflow.providers.databricks.hooks.databricks import DatabricksHook
from airflow.providers.databricks.operators.databricks import DatabricksSubmitRunOperator
from psycopg import sql

from feeds.blobs import Blobs
from feeds.detection import DETECTION_TASK, open_batch, record_failed_run, select_batch
from feeds.drive import DriveHook
from feeds.faults import Fault, explain
from feeds.landing import land
from feeds.ledger import Ledger, open_ledger
from local.config import JOB_FOLDER, Addresses, load_config
from local.postgres import connect
from local.stack import Stack
from tests.conftest import FeedFiles
from tests.integration.test_landing import HEADER, rows

JOB = f"{JOB_FOLDER}/faulty-{uuid.uuid4().hex}.py"
JOB_TEXT = "import sys, time\nif '--wait' in sys.argv: time.sleep(600)\nsys.exit('the job says why')\n"


@pytest.fixture
def with_connection(services: Addresses, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Give a function that changes one of Airflow's connections for the test."""

    def change(name: str, *, extra: dict[str, Any] | None = None, **changes: Any) -> None:
        connection = json.loads(services.connections_file.read_text())[name]
        connection = {**connection, **changes, "extra": {**connection.get("extra", {}), **(extra or {})}}
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(connection))

    return change


def fault_of(attempt: Callable[[], object]) -> Fault:
    """Explain what an attempt raises."""
    with pytest.raises(Exception) as raised:  # noqa: PT011 -- each service has its own, and what is explained of it is compared
        attempt()
    fault = explain(raised.value)
    assert fault is not None, repr(raised.value)
    return fault


def write_blob() -> None:
    Blobs().write("faults/blob", b"x")


def ask_ledger() -> None:
    with open_ledger() as ledger:
        ledger.row("has_schema")


# Blob Storage.


@contextmanager
def answering(status: int) -> Iterator[int]:
    """Serve nothing but a status; give the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self.send_response(status)
            self.send_header("x-ms-error-code", "ServerBusy")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def at_port(services: Addresses, port: int) -> dict[str, Any]:
    """Give the extra of a blob connection to another port; ``retry_total``: the SDK itself would try for a minute."""
    head, _, tail = services.blob_connection_string.partition("BlobEndpoint=http://127.0.0.1:")
    return {"connection_string": f"{head}BlobEndpoint=http://127.0.0.1:{port}/{tail.partition('/')[2]}", "retry_total": 0}


def test_blob_storage_refuses_the_key(services: Addresses, with_connection: Callable[..., None]) -> None:
    key = base64.b64encode(b"x" * 64).decode()
    parts = [f"AccountKey={key}" if p.startswith("AccountKey=") else p for p in services.blob_connection_string.split(";")]
    with_connection("blob", extra={"connection_string": ";".join(parts)})
    fault = fault_of(write_blob)
    assert (fault.connection, fault.passes) == ("blob", False)
    assert "refuses the login" in fault.text
    assert key not in str(fault)


def test_the_container_is_missing(with_connection: Callable[..., None]) -> None:
    with_connection("blob", extra={"container": "nowhere"})
    fault = fault_of(write_blob)
    assert (fault.connection, fault.passes) == ("blob", False)
    assert "its container does not exist" in fault.text


def test_blob_storage_is_busy(services: Addresses, with_connection: Callable[..., None]) -> None:
    with answering(503) as port:
        with_connection("blob", extra=at_port(services, port))
        fault = fault_of(write_blob)
    assert (fault.connection, fault.passes) == ("blob", True)
    assert "ServerBusy" in fault.text


def test_blob_storage_is_away(services: Addresses, with_connection: Callable[..., None]) -> None:
    with_connection("blob", extra=at_port(services, 9))
    fault = fault_of(write_blob)
    assert (fault.connection, fault.passes) == ("blob", True)
    assert "Connection refused" in fault.text


# PostgreSQL.


@pytest.mark.parametrize(
    ("changes", "passes", "words"),
    [
        ({"password": "wrong"}, False, "refuses the login"),
        ({"login": "nobody"}, False, "refuses the login"),
        ({"schema": "nowhere"}, False, "has no such database"),
        ({"schema": "airflow"}, False, "refuses the login"),  # whose database it is not
        ({"port": 9}, True, "does not answer"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_postgresql_cannot_be_reached(
    with_connection: Callable[..., None], changes: dict[str, Any], passes: bool, words: str
) -> None:
    with_connection("ledger", **changes)
    fault = fault_of(ask_ledger)
    assert (fault.connection, fault.passes) == ("ledger", passes)
    assert words in fault.text
    assert "wrong" not in fault.text, "the password"


@contextmanager
def role_set(services: Addresses, stack: Stack, setting: str, back: str) -> Iterator[None]:
    """Change the role of the connection, and change it back."""
    with connect(load_config(stack.directory)) as administrator:
        role = sql.Identifier(services.ledger_user)
        administrator.execute(sql.SQL("alter role {} " + setting).format(role))
        try:
            yield
        finally:
            administrator.execute(sql.SQL("alter role {} " + back).format(role))


def test_postgresql_has_no_connection_left(services: Addresses, stack: Stack) -> None:
    with role_set(services, stack, "connection limit 0", "connection limit -1"):
        fault = fault_of(ask_ledger)
    assert (fault.connection, fault.passes) == ("ledger", True)
    assert "no connection left" in fault.text
    ask_ledger()


def test_postgresql_is_read_only(services: Addresses, stack: Stack, connection: psycopg.Connection[Any]) -> None:
    def record() -> None:
        with open_ledger() as ledger:
            ledger.run("delete_stale_staging")

    with role_set(services, stack, "set default_transaction_read_only = on", "reset default_transaction_read_only"):
        fault = fault_of(record)
    assert (fault.connection, fault.passes) == ("ledger", True)
    assert "takes no changes" in fault.text
    record()


# Databricks: the provider's operator as it is, on a job that does not do what it should. None of these may come out green.


@pytest.fixture(scope="module")
def workspace(services: Addresses, stack: Stack) -> Addresses:
    """minilake, with a job that fails at once or hangs."""
    stack.start(["postgres", "azurite", "drive", "minilake"])
    url = f"{services.databricks_url}/api/2.0/workspace-files/import-file{JOB}"
    headers = {"Authorization": f"Bearer {services.databricks_token}"}
    httpx.post(url, content=JOB_TEXT, headers=headers, timeout=30).raise_for_status()
    return services


def run_job(*parameters: str, seconds: int = 60, **run: Any) -> None:
    """Run the operator of ``detect_patterns``."""
    task = {
        "task_key": "job",
        "timeout_seconds": seconds,
        "spark_python_task": {"python_file": JOB, "parameters": list(parameters)},
        "new_cluster": {"spark_version": "18.0.x-scala2.13", "node_type_id": "Standard_D4ds_v5", "num_workers": 1},
    }
    settings = {**DETECTION_TASK, "task_id": "faulty", "json": {"run_name": "faulty", "tasks": [task], **run}}
    DatabricksSubmitRunOperator(**settings, do_xcom_push=False).execute({})


def test_a_job_that_fails_is_red_and_says_why(workspace: Addresses) -> None:
    with pytest.raises(AirflowException, match=r"'result_state': 'FAILED'.*the job says why") as raised:
        run_job()
    assert explain(raised.value) is None, "Airflow's to try again: a fault of the job, not of the connection"


def test_a_job_that_has_failed_before_it_is_asked_about_is_red(workspace: Addresses) -> None:
    """Submitted once more with the same token, Databricks answers with the run that has failed."""
    token = uuid.uuid4().hex
    for _ in range(2):
        with pytest.raises(AirflowException, match="FAILED"):
            run_job(idempotency_token=token)


def test_a_job_that_hangs_is_ended_at_its_limit_and_red(workspace: Addresses) -> None:
    # Databricks says TIMEDOUT of the run as well, minilake of its task alone.
    with pytest.raises(AirflowException, match=r"faulty failed with terminal state: .*'result_state': '(FAILED|TIMEDOUT)'"):
        run_job("--wait", seconds=2)


@pytest.mark.parametrize(
    ("changes", "passes", "words"),
    [
        ({"password": "dapi-wrong"}, False, "Databricks refuses the login (403)"),
        ({"port": 9}, True, "Databricks does not answer"),
    ],
    ids=["token", "away"],
)
def test_databricks_cannot_be_reached(
    workspace: Addresses, with_connection: Callable[..., None], changes: dict[str, Any], passes: bool, words: str
) -> None:
    with_connection("databricks", **changes)
    fault = fault_of(lambda: DatabricksHook("databricks", retry_delay=0.1).get_run_state(1))
    assert (fault.connection, fault.passes) == ("databricks", passes)
    assert words in fault.text


def test_databricks_refuses_what_is_submitted(workspace: Addresses) -> None:
    fault = fault_of(lambda: run_job(tasks=[]))
    assert (fault.connection, fault.passes) == ("databricks", False)
    assert "cannot start the job" in fault.text


def test_a_refused_submission_is_not_repeated_with_its_token(
    workspace: Addresses, ledger: Ledger, drive: DriveHook, make_feed: Callable[..., FeedFiles]
) -> None:
    # As of a batch whose run somebody has deleted in the workspace: Databricks takes the token no more, for ever.
    land(ledger, drive, Blobs(), make_feed("f", HEADER + rows(50)).request())
    batch = open_batch(ledger, "f", None, None)
    assert batch is not None
    with pytest.raises(AirflowException) as refused:
        run_job(tasks=[])
    for error, generation in ((None, 0), (ValueError("not that"), 0), (refused.value, 1)):
        ti = SimpleNamespace(xcom_pull=lambda task_ids, key=None: {"land_chunks": batch}.get(task_ids))
        dag = SimpleNamespace(roots=[SimpleNamespace(task_id="land_chunks")])
        record_failed_run({"ti": ti, "dag": dag, "exception": error})  # type: ignore[typeddict-item]
        found = select_batch(ledger, batch["batch_id"])
        assert found["generation"] == batch["generation"] + generation
    assert found["last_error"].startswith("Databricks refuses the submission: ")
