"""What landing needs of Blob Storage."""

from __future__ import annotations

from typing import Protocol


class BlobStore(Protocol):
    """Where blobs are written; :class:`feeds.blobs.Blobs` on the connection ``blob``."""

    def write(self, name: str, data: bytes) -> None:
        """Write a blob, over one of the same name."""

    def sha256(self, name: str) -> str | None:
        """Return the checksum of a blob's bytes; ``None`` when there is none of that name."""
