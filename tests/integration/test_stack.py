"""The stack starts, is healthy, keeps its ports, restarts what dies, and leaves no process behind, however it ends."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest
from azure.storage.blob import BlobServiceClient

from local.config import CHECKOUT, StackError
from local.programs import clean_environment
from local.stack import Stack
from local.supervision import MARKER

BASE = ("postgres", "azurite", "drive")


@pytest.fixture
def directory() -> Iterator[Path]:
    """A new stack's directory; what a failed test left running is stopped."""
    directory = Path(tempfile.mkdtemp(prefix="stack-")) / "s"
    yield directory
    Stack(directory).stop()
    shutil.rmtree(directory.parent)


def processes_of(directory: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARKER) == str(directory):
                found.append(process)
        except psutil.Error:
            continue
    return found


def eventually(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.05)


def pids(stack: Stack) -> dict[str, int]:
    return {line.program: line.pid for line in stack.status() if line.pid}


def test_a_stack_of_which_something_ran_before_is_left_up(directory: Path) -> None:
    stack = Stack(directory)
    stack.start(("postgres",))
    before = pids(stack)
    with Stack(directory).running(("postgres", "drive")):
        assert stack.is_up(("drive",))
    assert pids(stack)["postgres"] == before["postgres"]


def test_start_stop_and_start_again(directory: Path) -> None:
    stack = Stack(directory)
    assert not stack.is_up(BASE)
    stack.start(BASE)
    assert stack.is_up(BASE)
    first, running = stack.addresses, pids(stack)
    assert set(running) == set(BASE)

    stack.start(BASE)
    assert pids(stack) == running, "a second start must leave alone what runs"

    with psycopg.connect(first.ledger_owner_dsn, autocommit=True) as connection:
        connection.execute("create schema kept")
        connection.execute("create table kept.number as select 42 as answer")
        assert connection.execute("show fsync").fetchone() == ("on",)
    with BlobServiceClient.from_connection_string(first.blob_connection_string) as blobs:
        assert blobs.get_container_client(first.blob_container).exists()
    assert httpx.get(f"{first.drive_url}/standin/health").is_success

    stack.stop()
    assert processes_of(directory) == []
    assert not stack.is_up(BASE)
    assert not any(psutil.pid_exists(pid) for pid in running.values())

    stack.start(BASE)
    assert stack.addresses == first, "ports and passwords are kept"
    with psycopg.connect(first.ledger_owner_dsn) as connection:
        assert connection.execute("select answer from kept.number").fetchone() == (42,)


def test_secrets_are_private(directory: Path) -> None:
    stack = Stack(directory)
    stack.start(("drive",))
    addresses = stack.addresses
    for path in (directory / "stack.json", addresses.connections_file, addresses.drive_credentials):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_ledger_asks_for_its_password(directory: Path) -> None:
    stack = Stack(directory)
    stack.start(("postgres",))
    wrong = stack.addresses.ledger_dsn.replace(stack.addresses.ledger_password, "wrong")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)


def test_services_can_be_added_to_a_stack_that_runs(directory: Path) -> None:
    stack = Stack(directory)
    with stack.running(("drive",)):
        before = pids(stack)
        stack.start(("azurite",))
        assert stack.is_up(("drive", "azurite"))
        assert pids(stack)["drive"] == before["drive"]
    assert processes_of(directory) == []


def test_port_taken_while_the_rest_runs(directory: Path) -> None:
    stack = Stack(directory)
    stack.start(("drive",))
    before = pids(stack)
    port = next(line.port for line in stack.status() if line.service == "azurite")
    with socket.create_server(("127.0.0.1", port)):
        stack.start(("drive", "azurite"))
        assert stack.is_up(("drive", "azurite"))
    assert pids(stack)["drive"] == before["drive"]
    assert f":{port}/" not in stack.addresses.blob_connection_string


def test_failed_start_names_service_and_log_and_leaves_nothing(directory: Path) -> None:
    (directory / "postgres").mkdir(parents=True)
    (directory / "postgres" / "PG_VERSION").write_text("9.1\n")
    stack = Stack(directory)
    with pytest.raises(StackError, match="postgres") as caught:
        stack.start(BASE)
    assert str(directory / "logs" / "postgres.log") in str(caught.value)
    assert "could not access the server configuration file" in str(caught.value), (
        "the last lines of the log are part of the message"
    )
    assert processes_of(directory) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_to_the_foreground_command_leaves_nothing(directory: Path, number: signal.Signals) -> None:
    program = (
        "import sys, threading, pathlib; from local.stack import Stack\n"
        "with Stack(pathlib.Path(sys.argv[1])).running(('drive',)):\n"
        "    print('up', flush=True); threading.Event().wait()"
    )
    command = [sys.executable, "-c", program, str(directory)]
    with subprocess.Popen(command, cwd=CHECKOUT, env=clean_environment(), stdout=subprocess.PIPE, text=True) as foreground:
        assert foreground.stdout is not None
        assert foreground.stdout.readline() == "up\n"
        assert processes_of(directory)
        foreground.send_signal(number)
        assert foreground.wait(60) != 0
    assert processes_of(directory) == []


def test_signal_while_starting_leaves_nothing(directory: Path) -> None:
    command = [sys.executable, "-m", "local", "up"]
    environment = clean_environment() | {"STACK_DIR": str(directory), "AIRFLOW_PORT": ""}
    with subprocess.Popen(command, cwd=CHECKOUT, env=environment, stdout=subprocess.PIPE, text=True) as foreground:
        eventually(lambda: bool(pids(Stack(directory)).get("postgres")))
        foreground.send_signal(signal.SIGTERM)
        assert foreground.wait(90) == 128 + signal.SIGTERM
    assert processes_of(directory) == []


def test_killed_program_is_started_again(directory: Path) -> None:
    stack = Stack(directory)
    stack.start(("drive",))
    killed = pids(stack)["drive"]
    psutil.Process(killed).kill()
    eventually(lambda: pids(stack).get("drive") not in (None, killed) and stack.is_up(("drive",)))


def test_killed_supervisor_does_not_stop_the_next_start(directory: Path) -> None:
    stack = Stack(directory)
    stack.start(("drive", "postgres"))
    addresses, orphans = stack.addresses, pids(stack)
    supervisord = int((directory / "supervisord.pid").read_text())
    psutil.Process(supervisord).kill()
    eventually(lambda: not stack.is_up(()))
    stack.start(("drive", "postgres"))
    assert stack.addresses == addresses, "the orphans were ended first, so their ports are free"
    assert not any(psutil.pid_exists(pid) for pid in orphans.values())


def test_port_taken_by_somebody_else_is_replaced(directory: Path) -> None:
    stack = Stack(directory)
    stack.start(("drive",))
    before = stack.addresses.drive_url
    stack.stop()
    with socket.create_server(("127.0.0.1", int(before.rpartition(":")[2]))):
        stack.start(("drive",))
        assert stack.addresses.drive_url != before
        assert stack.is_up(("drive",))


def test_long_path_of_the_stack(directory: Path) -> None:
    deep = directory / ("d" * 100)
    stack = Stack(deep)
    with stack.running(("drive",)):
        assert stack.is_up(("drive",))
    assert processes_of(deep) == []


def test_whole_stack_listens_on_loopback_only_and_ends_completely(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stack = Stack(directory)
    stack.start(("drive",))
    stack.stop()
    azurite = next(line.port for line in stack.status() if line.service == "azurite")
    monkeypatch.setenv("AIRFLOW_PORT", str(azurite))  # picked, and nobody listens there yet: Azurite has to make way
    with stack.running():
        assert stack.is_up()
        assert stack.addresses.airflow_url.endswith(f":{azurite}")
        with stack.airflow_client() as client:
            health = client.get("/monitor/health").raise_for_status().json()
        assert {part["status"] for part in health.values()} == {"healthy"}
        assert httpx.get(f"{stack.addresses.airflow_url}/api/v2/dags").status_code == httpx.codes.UNAUTHORIZED
        listening = {
            connection.laddr.ip.removeprefix("::ffff:")
            for process in processes_of(directory)
            for connection in process.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN
        }
        assert listening == {"127.0.0.1"}
        assert json.loads(_airflow(stack, "connections", "get", "ledger", "--output", "json"))[0]["conn_type"] == "postgres"
    assert processes_of(directory) == []
    assert stack.airflow_env()["AIRFLOW_HOME"] == str(directory / "airflow")


def _airflow(stack: Stack, *arguments: str) -> str:
    command = [str(Path(sys.prefix) / "bin" / "airflow"), *arguments]
    done = subprocess.run(command, env=stack.airflow_env(), cwd=CHECKOUT, capture_output=True, text=True, check=True)
    return done.stdout


def test_caller_settings_do_not_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AIRFLOW_HOME", "AIRFLOW__CORE__EXECUTOR", "PYTHONPATH", "SPARK_HOME", "SPARK_REMOTE", "HTTP_PROXY"):
        monkeypatch.setenv(name, "wrong")
    environment = clean_environment()
    assert "wrong" not in environment.values()
    assert environment["PATH"].split(os.pathsep)[0] == str(Path(sys.prefix) / "bin")
