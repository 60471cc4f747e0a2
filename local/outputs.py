"""Brings a feed's detection files and rejected rows from Blob Storage to a folder."""

from __future__ import annotations

from pathlib import Path

from azure.storage.blob import ContainerClient

from local.config import Addresses


def download_outputs(addresses: Addresses, feed: str, folder: Path) -> list[Path]:
    """Write every detection file and rejects file of the feed under its blob name; files that are there already stay.

    Returns
    -------
    list of Path
        All files, in the order of their names.
    """
    files = []
    with ContainerClient.from_connection_string(addresses.blob_connection_string, addresses.blob_container) as container:
        for prefix in (f"detections/{feed}/", f"rejects/{feed}/"):
            for blob in container.list_blobs(name_starts_with=prefix):
                target = folder / blob.name
                files.append(target)
                content = container.download_blob(blob.name).readall()
                if target.exists() and target.read_bytes() == content:
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                partial = target.with_name(f".{target.name}.new")
                partial.write_bytes(content)
                partial.replace(target)
    return sorted(files)
