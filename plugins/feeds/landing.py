"""Mechanism X: land chunks of a feed from Drive in Blob Storage.

A chunk is a byte range of one revision of the Drive file. Its blob is written first, under a name made of feed and number, then
its row in the ledger. Crash windows:

- feed started, nothing landed: the next try goes on with it;
- blob of a chunk or of its rejects written, no row: the next try reads the same range and writes the same blob again; when the
  file was replaced in between, the blob gets what the new one has, and so does the row;
- row written, task not yet done: the next try starts behind it;
- file replaced on Drive meanwhile: seen by its revision before the bytes are used; the landed part is then compared byte by byte.

What remains takes two landings at once. One is held up right before it writes a blob; the file is replaced; the other lands the
new content, and its batch is applied; then the first writes the old. With a chunk, it fails with SourceChangedError. State and
detections are right, but the blob has not the ledger's checksum any more, and only blobs that wait for their batch are repaired.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from psycopg.types.json import Jsonb

from feeds.batch_size import most_chunks
from feeds.blob_names import chunk_blob, rejects_blob
from feeds.blob_store import BlobStore
from feeds.chunks import Chunk, Position, cut_chunks
from feeds.errors import ChunkGapError, DriveAccessError, DriveAwayError, SourceChangedError, SourceFormatError
from feeds.export import rows_due
from feeds.importance import land_importance
from feeds.ledger import Ledger, Row
from feeds.opening import open_feed, select_feed
from feeds.request import FeedRequest
from feeds.source import Header, PinnedSource, SourceMovedError, check_landed_part

if TYPE_CHECKING:
    from feeds.drive import DriveHook

log = logging.getLogger(__name__)

_UNREADABLE = (DriveAccessError, DriveAwayError, SourceFormatError, SourceMovedError)
"""The file cannot be read now, or not as it is; what has landed of it is sound."""


def land(ledger: Ledger, drive: DriveHook, blobs: BlobStore, request: FeedRequest) -> Row:
    """Land what is due of a feed, or the range that is asked for; start the feed when it is new.

    Returns
    -------
    dict
        ``feed``, ``landed`` (last chunk landed so far), ``applied``, and ``new_chunks`` of this call.

    Raises
    ------
    FeedSettingsError
        The feed runs with other settings than those asked for.
    SourceFormatError, SourceChangedError, DriveAccessError, DriveAwayError
        See there; nothing was landed, and nothing that has landed is left to apply or to write.
    ChunkGapError
        ``first_chunk`` is neither landed nor the next one, or lies behind the end of the feed.
    """
    feed = open_feed(ledger, drive, request)
    finishing = _finishes(feed, request)
    if not request.ranged and not finishing:
        ledger.run("follow_feed", feed_id=feed["feed_id"])
    try:
        source = _pinned(ledger, drive, feed)
    except (*_UNREADABLE, SourceChangedError):
        left = _left_to_do(ledger, feed, request)
        if left is None:
            raise
        return _outcome(left, new_chunks=0)
    feed = select_feed(ledger, feed["feed"])
    if not feed["weights_ready"]:
        land_importance(ledger, drive, blobs, feed)
    repair_blobs(ledger, drive, source, blobs, feed, last_chunk=_next_batch_end(ledger, feed, request))
    _refuse_gap(feed, request)
    limit, new = 0 if finishing else _limit(feed, request), 0
    try:
        for number, chunk in _next_chunks(source, feed, limit):
            _land_chunk(ledger, blobs, feed, number, chunk, source, request.run_id)
            new += 1
    except _UNREADABLE:
        left = _left_to_do(ledger, feed, request)
        if left is None:
            raise
        return _outcome(left, new_chunks=new)
    feed = _note_end(ledger, source, request, came_to_end=limit is None or new < limit)
    return _outcome(feed, new_chunks=new)


def _left_to_do(ledger: Ledger, feed: Row, request: FeedRequest) -> Row | None:
    """Give the feed as it stands if the run has something to do without its file, and nobody asked for more; else ``None``."""
    feed = select_feed(ledger, feed["feed"])
    if _asks_for_more(feed, request) or not _has_work_left(ledger, feed, request):
        return None
    # What has landed is sound: it is applied and written first. If the error stays, the next run has nothing left, and fails.
    log.exception("Nothing more can land now; this run goes on with what has landed")
    return feed


def _asks_for_more(feed: Row, request: FeedRequest) -> bool:
    """Whether somebody asked for chunks that have not landed: without them the run must not end as if it had them."""
    return request.ranged and _limit(feed, request) != 0 and not feed["landed_to_end"]


def _has_work_left(ledger: Ledger, feed: Row, request: FeedRequest) -> bool:
    """Whether a run has something to do that needs no source."""
    unconfirmed = ledger.row("select_unconfirmed_files", feed_id=feed["feed_id"]) is not None
    waiting = ledger.row("select_waiting", feed_id=feed["feed_id"])
    to_write = waiting is not None and rows_due(waiting, flush=False) > 0
    to_apply = request.rebuild or feed["applied"] < feed["landed"]
    open_batch = ledger.row("select_open_batch", feed_id=feed["feed_id"]) is not None
    return request.flush or unconfirmed or to_write or to_apply or open_batch


def _finishes(feed: Row, request: FeedRequest) -> bool:
    """Whether the run is about what has landed only: it lands nothing more, and a feed that nobody follows stays where it is."""
    if request.rebuild:
        return True
    writes_rest = request.flush and not request.ranged and feed["landed"] > 0
    return not feed["followed"] and (writes_rest or request.scheduled)


def _outcome(feed: Row, *, new_chunks: int) -> Row:
    return {"feed": feed["feed"], "landed": feed["landed"], "applied": feed["applied"], "new_chunks": new_chunks}


def _pinned(ledger: Ledger, drive: DriveHook, feed: Row) -> PinnedSource:
    """Pin the source's revision; a new one only when its landed part is what was landed."""
    revision = drive.get_revision(feed["transactions_file_id"])
    source = PinnedSource(drive, revision)
    same_content = (revision.md5, revision.size) == (feed["source_md5"], feed["source_size"])
    if same_content and revision.revision_id == feed["source_revision"]:
        return source
    if not same_content:
        log.info("%s has a new revision; comparing its landed part, %s bytes", revision.name, f"{feed['position']:,}")
        chunks = ledger.rows("select_chunks", feed_id=feed["feed_id"], first_chunk=1, last_chunk=feed["landed"])
        check_landed_part(source.read, feed, chunks, revision)
    ledger.run(
        "pin_source",
        feed_id=feed["feed_id"],
        source_revision=revision.revision_id,
        source_size=revision.size,
        source_md5=revision.md5,
    )
    return source


def _limit(feed: Row, request: FeedRequest) -> int | None:
    """How many chunks to land now; ``None``: all that the source has."""
    target = request.last_chunk if request.last_chunk is not None else feed["due"]
    return None if target is None else max(0, target - feed["landed"])


def _refuse_gap(feed: Row, request: FeedRequest) -> None:
    first, next_chunk = request.first_chunk, feed["landed"] + 1
    if first is None or first <= next_chunk:
        return
    missing = f"chunk {next_chunk}" if first == next_chunk + 1 else f"chunks {next_chunk} to {first - 1}"
    if feed["landed_to_end"]:
        raise ChunkGapError(f"feed {feed['feed']} ends at chunk {feed['landed']}; chunk {first} does not exist")
    raise ChunkGapError(
        f"feed {feed['feed']}: {missing} must land before chunk {first}. Start the range at chunk {next_chunk} or earlier."
    )


def _next_chunks(source: PinnedSource, feed: Row, limit: int | None) -> Iterator[tuple[int, Chunk]]:
    header = Header.of(feed)
    start = Position(feed["position"], feed["line"], feed["bytes_per_row"])
    if limit == 0 or start.offset == source.revision.size:
        return
    chunks = cut_chunks(source.read, source.revision.size, header, start, feed["chunk_size"], limit)
    yield from enumerate(chunks, feed["landed"] + 1)


def _land_chunk(
    ledger: Ledger, blobs: BlobStore, feed: Row, number: int, chunk: Chunk, source: PinnedSource, run_id: str | None
) -> None:
    # A run that was given up for dead may still be landing the same chunk, from an older revision: its blob must not be replaced.
    _require_same(ledger, feed, number, chunk)
    written = _write_chunk(blobs, feed, number, chunk)
    inserted = ledger.run(
        "insert_chunk",
        feed_id=feed["feed_id"],
        chunk=number,
        byte_start=chunk.byte_start, byte_end=chunk.byte_end, first_line=chunk.first_line, end_line=chunk.end_line,
        landed_rows=chunk.landed_rows, rejected_rows=len(chunk.rejects), source_sha256=chunk.source_sha256,
        blob_name=written.name, blob_sha256=written.sha256,
        rejects_blob=written.rejects_name, rejects_sha256=written.rejects_sha256,
        reject_reasons=Jsonb(chunk.reject_reasons), revision=source.revision.revision_id, run_id=run_id,
    )  # fmt: skip
    if not inserted:
        _require_same(ledger, feed, number, chunk)
    log.info(
        "Landed chunk %d: rows %d, rejected %d, bytes %d to %d",
        number, chunk.landed_rows, len(chunk.rejects), chunk.byte_start, chunk.byte_end,
    )  # fmt: skip


class _WrittenChunk(NamedTuple):
    """Names and checksums of a chunk's blob, and of its rejects' blob, if it has any."""

    name: str
    sha256: str
    rejects_name: str | None
    rejects_sha256: str | None


def _write_chunk(blobs: BlobStore, feed: Row, number: int, chunk: Chunk) -> _WrittenChunk:
    """Write a chunk's blobs, that of its rejects first."""
    rejects_name = rejects_sha256 = None
    if chunk.rejects:
        rejects_name, rejects = rejects_blob(feed["feed"], number), chunk.rejects_csv()
        rejects_sha256 = hashlib.sha256(rejects).hexdigest()
        blobs.write(rejects_name, rejects)
    name, header = chunk_blob(feed["feed"], number), bytes(feed["header"])
    # Of a source that was its header alone when the feed started, and has grown since, the header may have no line end.
    blob = header + (b"" if header.endswith(b"\n") else b"\n") + chunk.body
    blobs.write(name, blob)
    return _WrittenChunk(name, hashlib.sha256(blob).hexdigest(), rejects_name, rejects_sha256)


def _require_same(ledger: Ledger, feed: Row, number: int, chunk: Chunk) -> None:
    """Refuse to land a chunk that has landed meanwhile with other bytes."""
    there = ledger.rows("select_chunks", feed_id=feed["feed_id"], first_chunk=number, last_chunk=number)
    if there and there[0]["source_sha256"] != chunk.source_sha256:
        raise SourceChangedError(
            f"feed {feed['feed']}: chunk {number} was landed by another run at the same time with SHA-256 "
            f"{there[0]['source_sha256']}, here it has {chunk.source_sha256}: the file was replaced in between. Run again."
        )


def _next_batch_end(ledger: Ledger, feed: Row, request: FeedRequest) -> int:
    """Give the last chunk that the next batch can take of what has landed."""
    batch = ledger.row("select_open_batch", feed_id=feed["feed_id"])
    if batch is not None:
        return int(batch["last_chunk"])
    backfilling = feed["applied"] < (feed["backfill_to"] or 0)
    size = request.batch_chunks if request.ranged else feed["backfill_chunks"] if backfilling else None
    return int(feed["applied"] + most_chunks(feed, size))


def repair_blobs(ledger: Ledger, drive: DriveHook, source: PinnedSource, blobs: BlobStore, feed: Row, last_chunk: int) -> None:
    """Write the blobs again that the next batch will read, chunk ``last_chunk`` at most, and that are altered or gone.

    Between two good runs there is no such chunk, and nothing is read. After a failed batch its chunks are read back and compared,
    in a backfill of several batches those of the next one, and after an interrupted rebuild all chunks, and CustomerImportance.
    """
    waiting = ledger.rows("select_unapplied_chunks", feed_id=feed["feed_id"], last_chunk=last_chunk)
    if any(landed["batch_id"] is not None for landed in waiting):
        land_importance(ledger, drive, blobs, feed)
    for landed in waiting:
        wanted = {landed["blob_name"]: landed["blob_sha256"], landed["rejects_blob"]: landed["rejects_sha256"]}
        damaged = [name for name, sha256 in wanted.items() if sha256 is not None and blobs.sha256(name) != sha256]
        if not damaged:
            continue
        header = Header.of(feed)
        start = Position(landed["byte_start"], landed["first_line"])
        # One row more than it has: its end cuts it short, so that blank lines there come along when they landed with it.
        rows = landed["landed_rows"] + landed["rejected_rows"] + 1
        chunk = next(cut_chunks(source.read, landed["byte_end"], header, start, rows, 1))
        _require_same(ledger, feed, landed["chunk"], chunk)
        _write_chunk(blobs, feed, landed["chunk"], chunk)
        log.warning("Landed again from Drive, because it was altered or gone: %s", ", ".join(damaged))


def _note_end(ledger: Ledger, source: PinnedSource, request: FeedRequest, *, came_to_end: bool) -> Row:
    """Record whether the source is landed to its end, and say so when the range goes beyond it."""
    feed = select_feed(ledger, request.feed)
    ended = came_to_end or _only_blank_left(source, feed["position"])
    ledger.run("set_checked", feed_id=feed["feed_id"], exhausted_size=source.revision.size if ended else None)
    if ended:
        log.info("Feed %s ends at chunk %d: all of %s has landed", request.feed, feed["landed"], source.revision.name)
        if request.first_chunk is not None and request.first_chunk > feed["landed"]:
            raise ChunkGapError(f"feed {request.feed} ends at chunk {feed['landed']}; chunk {request.first_chunk} does not exist")
    return feed


def _only_blank_left(source: PinnedSource, position: int) -> bool:
    """Whether a few blank lines at most are left, which a full last chunk leaves behind."""
    rest = source.revision.size - position
    return rest == 0 or (rest <= 1 << 10 and not source.read(position, source.revision.size).replace(b"\r\n", b"\n").strip(b"\n"))
