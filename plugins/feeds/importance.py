"""Lands CustomerImportance in Blob Storage, once per feed and in parts, so that nobody has to hold the whole file.

Crash windows:

- some parts written, no row: the next try writes all of them, over those of the same name; when the file was replaced by a
  shorter one in between, the parts that it has no longer stay behind, in no ledger, and nobody reads them;
- all rows written, task not yet done: the next try finds every part as the ledger has it.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

from feeds.blob_names import importance_blob
from feeds.blob_store import BlobStore
from feeds.errors import SourceChangedError, SourceFormatError
from feeds.ledger import Ledger, Row
from feeds.source import BLOCK_BYTES, PinnedSource, ReadRange, read_header

if TYPE_CHECKING:
    from feeds.drive import DriveHook, DriveRevision

log = logging.getLogger(__name__)

COLUMNS = ("Source", "Target", "Weight", "typeTrans")
"""Columns that CustomerImportance.csv needs; ``fraud`` is not looked at."""

PART_BYTES = 1 << 24
"""About the size of a part. Spark holds a few parts at once while it compares checksums."""

_LONGEST_LINE = 1 << 24


def land_importance(ledger: Ledger, drive: DriveHook, blobs: BlobStore, feed: Row) -> None:
    """Land CustomerImportance, unless every part of it is there as the ledger has it.

    Raises
    ------
    SourceChangedError
        A part is altered or gone, the feed has its weights already, and the file on Drive no longer has the bytes that landed.
    SourceFormatError
        The file lacks a column, rows, or a line end.
    """
    parts = ledger.rows("select_importance_parts", feed_id=feed["feed_id"])
    damaged = [part["blob_name"] for part in parts if blobs.sha256(part["blob_name"]) != part["blob_sha256"]]
    if parts and not damaged:
        return
    revision = drive.get_revision(feed["importance_file_id"])
    source = PinnedSource(drive, revision)
    as_landed = [(part["part"], part["blob_sha256"]) for part in parts]
    landed: list[tuple[int, str, str]] = []
    for content in cut_parts(source.read, revision.size, revision.name):
        part = len(landed) + 1  # not by enumerate, which holds a part while the next one is made
        name, sha256 = importance_blob(feed["feed"], part), hashlib.sha256(content).hexdigest()
        if feed["weights_ready"] and (part, sha256) not in as_landed:
            raise _changed(feed, damaged, revision)
        blobs.write(name, content)
        landed.append((part, name, sha256))
        log.info("Landed part %d of %s (%s bytes)", part, revision.name, f"{len(content):,}")
        del content  # nor does this loop
    if feed["weights_ready"] and len(landed) != len(parts):
        raise _changed(feed, damaged, revision)
    with ledger.transaction():
        ledger.run("lock_feed", feed_id=feed["feed_id"])
        ledger.run("delete_importance_parts", feed_id=feed["feed_id"])
        for part, name, sha256 in landed:
            ledger.run("insert_importance_part", feed_id=feed["feed_id"], part=part, blob_name=name, blob_sha256=sha256)
        ledger.run("set_importance", feed_id=feed["feed_id"], revision=revision.revision_id)
    log.info("Landed %s (%s bytes)", revision.name, f"{revision.size:,}")


def _changed(feed: Row, damaged: list[str], revision: DriveRevision) -> SourceChangedError:
    return SourceChangedError(
        f"feed {feed['feed']}: blob {', '.join(damaged)} is altered or gone, and {revision.name} on Drive no longer has the "
        f"bytes that landed (revision {feed['importance_revision']} then, {revision.revision_id} now). Restore one of them, then "
        "rebuild."
    )


def cut_parts(read: ReadRange, size: int, what: str, part_bytes: int = PART_BYTES) -> Iterator[bytes]:
    """Cut CustomerImportance into parts at line ends; each begins with the header, and the rest of all is the file's rest.

    While a part is made it is in memory twice; while it is yielded, once.

    Parameters
    ----------
    read
        Reads the file.
    size
        Its size in bytes.
    what
        Its name, for errors.
    part_bytes
        A part ends at the last line end once it has so many bytes.

    Raises
    ------
    SourceFormatError
        See :func:`feeds.source.read_header`; or there is nothing behind the header, or a line has no end within 16 MiB.
    """
    header = read_header(read, size, what, COLUMNS)
    if header.data_start == size:
        raise SourceFormatError(f"{what}: the header and no rows; PatId1 would find nothing without a Weight")
    waiting, at = bytearray(), header.data_start
    while at < size:
        end = min(at + BLOCK_BYTES, size)
        waiting += read(at, end)
        at = end
        if len(waiting) < part_bytes and at < size:
            continue
        # A line is a row here: the job reads no quoted line end (spark_jobs/detectors/importance.py).
        cut = len(waiting) if at == size else waiting.rfind(b"\n") + 1
        if cut == 0 and len(waiting) > _LONGEST_LINE:
            raise SourceFormatError(f"{what}: the line before byte {at:,} has no end within {_LONGEST_LINE:,} bytes")
        if cut:
            part = b"".join((header.raw, memoryview(waiting)[:cut]))
            del waiting[:cut]
            yield part
            del part
