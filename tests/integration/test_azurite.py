"""Azurite as the stack runs it: what it has acknowledged is there after a SIGKILL, as Blob Storage would have it."""

from __future__ import annotations

import time
import uuid

import psutil
import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import ContainerClient

from local.config import Addresses
from local.stack import Stack


def kill_azurite(stack: Stack) -> None:
    pid = next(line.pid for line in stack.status() if line.program == "azurite")
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
