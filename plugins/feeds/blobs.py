"""Blob Storage through the provider's hook on the connection ``blob``."""

from __future__ import annotations

import hashlib
from typing import Any

from airflow.providers.microsoft.azure.hooks.wasb import WasbHook
from airflow.sdk import BaseHook
from azure.core.exceptions import ResourceNotFoundError

CONN_ID = "blob"


class Blobs:
    """The pipeline's container: named by ``container`` in the extra of the connection."""

    def __init__(self, conn_id: str = CONN_ID) -> None:
        self._hook = WasbHook(wasb_conn_id=conn_id)
        self.container = container_name(conn_id)

    def write(self, name: str, data: bytes) -> None:
        """Write a block blob, over one of the same name. It appears whole or not at all."""
        self._hook.upload(self.container, name, data, overwrite=True)

    def read(self, name: str) -> bytes:
        """Return the bytes of a blob."""
        return self._hook.download(self.container, name).readall()

    def names(self, prefix: str) -> list[str]:
        """Return the names of all blobs that begin so, in order."""
        return sorted(self._hook.get_blobs_list_recursive(self.container, prefix))

    def sha256(self, name: str) -> str | None:
        """Return the checksum of a blob's bytes; ``None`` when there is none of that name."""
        try:
            return hashlib.sha256(self.read(name)).hexdigest()
        except ResourceNotFoundError:
            return None


def container_name(conn_id: str = CONN_ID) -> str:
    """Name of the container, from the connection."""
    return str(_extra(conn_id)["container"])


def storage_url(conn_id: str = CONN_ID) -> str:
    """Give what Spark puts before a blob's name, from the connection."""
    return str(_extra(conn_id)["storage_url"])


def _extra(conn_id: str) -> dict[str, Any]:
    return BaseHook.get_connection(conn_id).extra_dejson
