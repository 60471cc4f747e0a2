"""Copies the blobs that a job reads to a local directory, because Spark has no driver for Blob Storage here.

In production the job reads ``abfss://``; here the connection's ``storage_url`` is the mirror's ``file://`` address. A blob that
was altered or deleted is altered or deleted in the mirror as well, so that a job notices what it would notice there.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import ResourceModifiedError, ResourceNotFoundError, ResourceNotModifiedError
from azure.storage.blob import ContainerClient

from feeds.blob_names import chunk_blob

_THREADS = 4


def wanted_blobs(parameters: Sequence[str]) -> list[str]:
    """Names of the blobs that a job with these parameters reads; none when it reads no mirror.

    A name that ends in ``/`` stands for all blobs that begin so.

    Parameters
    ----------
    parameters
        The job's arguments: ``--name value`` or ``--name=value``.
    """
    given = _options(parameters)
    if not given.get("storage_url", "").startswith("file://") or not {"feed", "first_chunk", "last_chunk"} <= set(given):
        return []
    chunks = range(int(given["first_chunk"]), int(given["last_chunk"]) + 1)
    importance = [given["importance"]] if given.get("importance") else []
    return [chunk_blob(given["feed"], chunk) for chunk in chunks] + importance


def _options(parameters: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    waiting = ""
    for part in parameters:
        if waiting:
            found[waiting], waiting = part, ""
        elif part.startswith("--"):
            name, separator, value = part.removeprefix("--").partition("=")
            if separator:
                found[name] = value
            else:
                waiting = name
    return found


def mirror_blobs(container: ContainerClient, mirror: Path, names: Sequence[str]) -> None:
    """Make the mirror hold exactly what the container holds under these names, or, where one ends in ``/``, below it.

    Raises
    ------
    azure.core.exceptions.AzureError
        Blob Storage does not answer.
    """
    single = [name for name in names if not name.endswith("/")]
    for prefix in set(names) - set(single):
        known = (path for path in (mirror / prefix).rglob("*") if path.is_file() and not path.name.startswith("."))
        there = container.list_blob_names(name_starts_with=prefix)
        single += {path.relative_to(mirror).as_posix() for path in known} | set(there)
    with ThreadPoolExecutor(_THREADS) as threads:
        list(threads.map(lambda name: _mirror_blob(container, mirror, name), single))


def _mirror_blob(container: ContainerClient, mirror: Path, name: str) -> None:
    path = mirror / name
    if not path.resolve().is_relative_to(mirror.resolve()):
        raise ValueError(f"blob name {name!r} leads out of the mirror")
    path.parent.mkdir(parents=True, exist_ok=True)
    etag_path = path.with_name(f".{path.name}.etag")  # Spark skips names that start with a dot
    known = etag_path.read_text() if etag_path.exists() and path.exists() else None
    # Both or neither: the SDK hands an `etag` without a condition on to the transport, which refuses it.
    unless: dict[str, Any] = {"etag": known, "match_condition": MatchConditions.IfModified} if known else {}
    try:
        download = container.download_blob(name, **unless)
        content = download.readall()
    except (ResourceNotModifiedError, ResourceModifiedError):
        return  # a 304; which of the two the SDK makes of it depends on the server's error code
    except ResourceNotFoundError:
        path.unlink(missing_ok=True)
        etag_path.unlink(missing_ok=True)
        return
    # The data first: an old ETag beside new data costs a download, the reverse would hide a change.
    _replace(path, content)
    _replace(etag_path, download.properties.etag.encode())


def _replace(path: Path, content: bytes) -> None:
    partial = path.with_name(f".{path.name}.part")
    partial.write_bytes(content)
    partial.replace(path)
