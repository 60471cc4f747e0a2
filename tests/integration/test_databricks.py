"""The Databricks workspace of the stack: what is added to minilake, over its REST API, against Azurite."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import psutil
import pytest
from azure.storage.blob import BlobServiceClient, ContainerClient

from feeds.blob_names import chunk_blob, importance_blob, importance_prefix
from local.config import JOB_FOLDER, Addresses
from local.job_process import job_pids
from local.mirror import mirror_blobs, wanted_blobs
from local.stack import Stack
from local.supervision import marked_processes

SCRIPT = f"{JOB_FOLDER}/test-{uuid.uuid4().hex}.py"
JOB = """
import os, sys, time
print(sys.argv[1:], os.environ["LEDGER_USER"], flush=True)
if "--fail" in sys.argv: sys.exit("the job's own reason")
if "--wait" in sys.argv: time.sleep(600)
"""


@pytest.fixture(scope="module")
def addresses(stack: Stack) -> Addresses:
    stack.start(("azurite", "minilake"))
    return stack.addresses


@pytest.fixture(scope="module")
def workspace(addresses: Addresses) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {addresses.databricks_token}"}
    with httpx.Client(base_url=addresses.databricks_url, headers=headers, timeout=30) as client:
        client.post(f"/api/2.0/workspace-files/import-file{SCRIPT}", content=JOB).raise_for_status()
        yield client


@pytest.fixture
def container(addresses: Addresses) -> Iterator[ContainerClient]:
    with BlobServiceClient.from_connection_string(addresses.blob_connection_string) as service:
        yield service.get_container_client(addresses.blob_container)


def submit(workspace: httpx.Client, *parameters: str, **task: Any) -> int:
    cluster = {
        "spark_version": "18.0.x-scala2.13",
        "node_type_id": "Standard_D4ds_v5",
        "num_workers": 1,
        "spark_env_vars": {"LEDGER_USER": "{{secrets/transaction-patterns/ledger-user}}"},
    }
    python = {"python_file": SCRIPT, "parameters": list(parameters)}
    body = {"tasks": [{"task_key": "job", "spark_python_task": python, "new_cluster": cluster, **task}]}
    return int(workspace.post("/api/2.2/jobs/runs/submit", json=body).raise_for_status().json()["run_id"])


def ended(workspace: httpx.Client, run_id: int) -> dict[str, Any]:
    """Poll as the provider's deferrable mode does: a GET with a JSON body."""
    deadline = time.monotonic() + 60
    while True:
        answer = workspace.request("GET", "/api/2.2/jobs/runs/get", json={"run_id": run_id})
        run: dict[str, Any] = answer.raise_for_status().json()
        if run["state"]["life_cycle_state"] == "TERMINATED":
            return run
        assert time.monotonic() < deadline, run
        time.sleep(0.05)


def wait_for_job(stack: Stack) -> None:
    deadline = time.monotonic() + 60
    while not job_pids(marked_processes(stack.directory)):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize(("headers", "status"), [({}, 401), ({"Authorization": "Bearer wrong"}, 403)])
def test_token_is_asked_for(addresses: Addresses, headers: dict[str, str], status: int) -> None:
    answer = httpx.get(f"{addresses.databricks_url}/api/2.2/jobs/list", headers=headers)
    assert answer.status_code == status
    assert answer.json()["error_code"] == str(status)


def test_job_runs_with_secrets_and_gives_its_reason(workspace: httpx.Client) -> None:
    assert ended(workspace, submit(workspace, "--fine"))["state"]["result_state"] == "SUCCESS"
    run = ended(workspace, submit(workspace, "--fail"))
    assert run["state"]["result_state"] == "FAILED"
    output = workspace.get("/api/2.2/jobs/runs/get-output", params={"run_id": run["tasks"][0]["run_id"]}).json()
    assert output["error"] == "the job's own reason"
    assert "['--fail'] ledger" in output["logs"]


def test_cancelled_run_ends_its_process(workspace: httpx.Client, stack: Stack) -> None:
    run_id = submit(workspace, "--wait")
    wait_for_job(stack)
    workspace.post("/api/2.2/jobs/runs/cancel", json={"run_id": run_id}).raise_for_status()
    assert ended(workspace, run_id)["state"]["result_state"] == "CANCELED"
    assert job_pids(marked_processes(stack.directory)) == []


def test_timed_out_run_ends_its_process(workspace: httpx.Client, stack: Stack) -> None:
    run = ended(workspace, submit(workspace, "--wait", timeout_seconds=1))
    assert run["tasks"][0]["state"]["result_state"] == "TIMEDOUT"
    assert job_pids(marked_processes(stack.directory)) == []


def test_runs_leave_nothing_open(workspace: httpx.Client, stack: Stack) -> None:
    minilake = psutil.Process(next(state.pid for state in stack.status() if state.program == "minilake"))
    ended(workspace, submit(workspace, "--fine"))
    before = minilake.num_fds()
    for _ in range(5):
        ended(workspace, submit(workspace, "--fine"))
    assert minilake.num_fds() <= before
    assert job_pids(marked_processes(stack.directory)) == []


def test_submission_mirrors_the_blobs_of_its_job(
    workspace: httpx.Client, addresses: Addresses, container: ContainerClient
) -> None:
    feed = f"mirror-{uuid.uuid4().hex[:8]}"
    container.upload_blob(chunk_blob(feed, 2), b"two")
    parts = [importance_blob(feed, part) for part in (1, 2)]
    for name in parts:
        container.upload_blob(name, name.encode())
    arguments = ["--feed", feed, "--first_chunk", "2", "--last_chunk", "2", "--importance", importance_prefix(feed)]
    ended(workspace, submit(workspace, *arguments, "--storage_url", addresses.storage_url))
    assert (addresses.mirror_dir / chunk_blob(feed, 2)).read_bytes() == b"two"
    assert [(addresses.mirror_dir / name).read_bytes() for name in parts] == [name.encode() for name in parts]
    container.delete_blob(parts[0])
    ended(workspace, submit(workspace, *arguments, "--storage_url", addresses.storage_url))
    assert [(addresses.mirror_dir / name).exists() for name in parts] == [False, True]


def test_mirror_follows_changes_and_deletions(addresses: Addresses, container: ContainerClient) -> None:
    feed = f"mirror-{uuid.uuid4().hex[:8]}"
    name = chunk_blob(feed, 1)
    path = addresses.mirror_dir / name
    container.upload_blob(name, b"first")
    mirror_blobs(container, addresses.mirror_dir, [name])
    inode = path.stat().st_ino
    mirror_blobs(container, addresses.mirror_dir, [name])
    assert path.stat().st_ino == inode, "what has not changed is not fetched again"
    container.upload_blob(name, b"altered", overwrite=True)
    mirror_blobs(container, addresses.mirror_dir, [name])
    assert path.read_bytes() == b"altered"
    container.delete_blob(name)
    mirror_blobs(container, addresses.mirror_dir, [name])
    assert list(path.parent.iterdir()) == []


def test_wanted_blobs() -> None:
    arguments = ["--feed=f", "--first_chunk", "9", "--last_chunk", "10", "--importance", "", "--storage_url"]
    assert wanted_blobs([*arguments, "file:///m"]) == [chunk_blob("f", 9), chunk_blob("f", 10)]
    assert wanted_blobs([*arguments, "abfss://container@account.dfs.core.windows.net"]) == []
    assert wanted_blobs([]) == []
