"""Azurite as the stack runs it: what it has acknowledged is there after a SIGKILL, as Blob Storage would have it."""

from __future__ import annotations

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from random import Random

import psutil
import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobBlock, BlobServiceClient, ContainerClient

from local.config import Addresses
from local.stack import Stack


def azurite_pid(stack: Stack) -> int:
    return next(line.pid for line in stack.status() if line.program == "azurite")


def kill_azurite(stack: Stack) -> None:
    pid = azurite_pid(stack)
    psutil.Process(pid).kill()
    deadline = time.monotonic() + 60
    while not (stack.is_up(["azurite"]) and not psutil.pid_exists(pid)):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_what_is_acknowledged_survives_a_kill(stack: Stack, services: Addresses) -> None:
    prefix = f"durable-{uuid.uuid4().hex[:8]}"
    container = ContainerClient.from_connection_string(services.blob_connection_string, services.blob_container)
    with container:
        for number in range(20):
            container.upload_blob(f"{prefix}/{number}", f"blob {number}".encode())
        container.upload_blob(f"{prefix}/0", b"written over", overwrite=True)
        container.delete_blob(f"{prefix}/1")
        kill_azurite(stack)
        there = {name: container.download_blob(name).readall() for name in container.list_blob_names(name_starts_with=prefix)}
        with pytest.raises(ResourceNotFoundError):
            container.download_blob(f"{prefix}/1")
    expected = {f"{prefix}/{number}": f"blob {number}".encode() for number in range(2, 20)}
    assert there == {f"{prefix}/0": b"written over"} | expected


def test_any_changes_survive_kills(stack: Stack, services: Addresses) -> None:
    random, prefix = Random(1), f"any-{uuid.uuid4().hex[:8]}"
    service = BlobServiceClient.from_connection_string(services.blob_connection_string)
    expected: dict[str, bytes] = {}
    with service, service.create_container(prefix) as container:
        for number in range(200):
            name, content = f"{prefix}/{random.randrange(12)}", f"blob {number}".encode()
            if random.random() < 0.3 and name in expected:
                container.delete_blob(name)
                del expected[name]
            elif random.random() < 0.3:
                blob = container.get_blob_client(name)
                blob.stage_block("1", content)
                blob.commit_block_list([BlobBlock("1")])
                expected[name] = content
            else:
                container.upload_blob(name, content, overwrite=True)
                expected[name] = content
            if number in (120, 121):  # in between, it may have written its list, or not
                kill_azurite(stack)
                assert {blob: container.download_blob(blob).readall() for blob in container.list_blob_names()} == expected
        kill_azurite(stack)
        assert {name: container.download_blob(name).readall() for name in container.list_blob_names()} == expected
        container.delete_container()
        kill_azurite(stack)
        assert not container.exists()


def test_what_a_change_writes_does_not_grow_with_the_blobs(stack: Stack, services: Addresses) -> None:
    prefix, content = f"many-{uuid.uuid4().hex[:8]}", b"x" * 100
    container = ContainerClient.from_connection_string(services.blob_connection_string, services.blob_container)

    def upload(name: str) -> None:
        container.upload_blob(f"{prefix}/{name}", content)

    with container, ThreadPoolExecutor(8) as threads:
        list(threads.map(upload, map(str, range(1_000))))
        before = written_bytes(azurite_pid(stack))
        for number in range(100):
            upload(f"again-{number}")
        written = written_bytes(azurite_pid(stack)) - before
        whole_list = (stack.directory / "azurite" / "__azurite_db_blob__.json").stat().st_size
    assert written < 100 * 10_000 + 4 * whole_list, "the list is written every five seconds, not with each change"


def written_bytes(pid: int) -> int:
    """Give what a process has written so far; a page that is written twice counts twice."""
    return int(psutil.Process(pid).io_counters().write_chars)
