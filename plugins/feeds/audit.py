"""Audit: whether the ledger is what the landed chunks give, and everything that it names is where it should be.

Three checks that know nothing of each other. Each gives the differences that it has found, by name; none changes anything but
``still_holds``. Totals are compared as they were when the audit was opened: the feed waits while they are copied.

Crash window: the audit is closed, its task not yet done: the next try finds the verdict with the batch.
"""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING, Any

from feeds.blob_names import detections_prefix
from feeds.chunks import Chunk, Position, cut_chunks
from feeds.detection import insert_batch, lock_feed, select_batch
from feeds.errors import AuditError, BatchError
from feeds.export import render_file
from feeds.ledger import Ledger, Row
from feeds.opening import select_feed
from feeds.source import Header, PinnedSource, SourceMovedError

if TYPE_CHECKING:
    from feeds.blobs import Blobs
    from feeds.drive import DriveHook

log = logging.getLogger(__name__)

MOST_NAMED = 10
"""How many differences an error names; the log of the task has more, of totals and detections the first 20."""

_ALL_ROWS = 1 << 40
_LOG_EVERY = 50
_MOST_REVISIONS = 5


def open_audit(ledger: Ledger, feed_name: str, run_id: str | None = None) -> Row:
    """Open the batch of all applied chunks whose job recomputes the feed, and keep a copy of the state to compare with.

    An audit that was left open is closed: its copy of the state is old.

    Returns
    -------
    dict
        The batch's row.

    Raises
    ------
    BatchError
        The feed is unknown, or has no applied chunk.
    """
    with ledger.transaction():
        feed = lock_feed(ledger, feed_name)
        if feed["applied"] == 0:
            raise BatchError(f"feed {feed_name} has no applied chunk: there is nothing to audit")
        for left in ledger.rows("select_open_audits", feed_id=feed["feed_id"]):
            ledger.run("close_batch", batch_id=left["batch_id"], reason="another audit was started")
        batch = insert_batch(ledger, feed, "audit", 1, feed["applied"], run_id=run_id)
        ledger.run("copy_merchants", batch_id=batch["batch_id"], feed_id=feed["feed_id"])
        ledger.run("copy_pairs", batch_id=batch["batch_id"], feed_id=feed["feed_id"])
    log.info("Audit %d of feed %s: chunks 1 to %d", batch["batch_id"], feed_name, batch["last_chunk"])
    return batch


def check_source(ledger: Ledger, drive: DriveHook, batch: Row) -> list[str]:
    """Compare every chunk with its bytes on Drive, read anew: checksum, rows landed and rejected, no byte between two chunks.

    Reads the landed part of the source once.
    """
    feed, chunks = _feed_and_chunks(ledger, batch)
    source = _Source(drive, feed)
    differences, rows, position = [], 0, feed["data_start"]
    for number, chunk in enumerate(chunks, start=1):
        if (chunk["chunk"], chunk["byte_start"]) != (number, position):
            found = f"chunk {chunk['chunk']} at byte {chunk['byte_start']:,}"
            differences.append(f"chunk {number} should start at byte {position:,}; the ledger goes on with {found}")
        position = chunk["byte_end"]
        if position > source.revision.size:
            differences.append(
                f"chunk {chunk['chunk']} ends at byte {position:,}; {source.revision.name} has {source.revision.size:,}"
            )
            break
        cut = source.cut(chunk["byte_start"], position)
        differences += _chunk_differences(chunk, cut)
        rows += cut.rows if cut else 0
        if number % _LOG_EVERY == 0:
            log.info("Compared %d of %d chunks with Drive", number, len(chunks))
    if _landed_to_end(feed, chunks, source) and (rest := source.cut(position, source.revision.size)):
        differences.append(f"{rest.rows} rows of {source.revision.name} behind chunk {len(chunks)} have not landed")
    in_ledger = sum(chunk["landed_rows"] + chunk["rejected_rows"] for chunk in chunks)
    log.info("%d rows landed or rejected, %d rows in the source", in_ledger, rows)
    return differences


def _landed_to_end(feed: Row, chunks: list[Row], source: _Source) -> bool:
    to_end = feed["landed_to_end"] and feed["landed"] == len(chunks)
    return bool(to_end and feed["exhausted_size"] == source.revision.size)


class _Source:
    """The feed's file on Drive, which may grow while it is read: the bytes of a chunk prove themselves by their checksum."""

    def __init__(self, drive: DriveHook, feed: Row) -> None:
        self._drive, self._file_id = drive, feed["transactions_file_id"]
        self._header = Header.of(feed)
        self.revision = drive.get_revision(self._file_id)

    def cut(self, start: int, end: int) -> Chunk | None:
        """Cut all rows of a byte range as one chunk; ``None`` when there is none."""
        for _ in range(_MOST_REVISIONS):
            read = PinnedSource(self._drive, self.revision).read
            try:
                return next(cut_chunks(read, end, self._header, Position(start, 1), _ALL_ROWS, 1), None)
            except SourceMovedError:
                self.revision = self._drive.get_revision(self._file_id)
        raise SourceMovedError(f"{self.revision.name} has changed {_MOST_REVISIONS} times while one chunk of it was read")


def _chunk_differences(landed: Row, cut: Chunk | None) -> list[str]:
    if cut is None:
        return [f"chunk {landed['chunk']}: its bytes on Drive hold no row"]
    pairs = {
        "rows landed": (landed["landed_rows"], cut.landed_rows),
        "rows rejected": (landed["rejected_rows"], len(cut.rejects)),
        "SHA-256 of its source": (landed["source_sha256"], cut.source_sha256),
    }
    return [
        f"chunk {landed['chunk']}: {what} is {there} in the ledger, {found} on Drive"
        for what, (there, found) in pairs.items()
        if there != found
    ]


def check_blobs(ledger: Ledger, blobs: Blobs, batch: Row) -> list[str]:
    """Compare every blob of the feed with the ledger: SHA-256 of chunks, importance and detection files, and their rows."""
    feed, chunks = _feed_and_chunks(ledger, batch)
    differences = []
    for part in ledger.rows("select_importance_parts", feed_id=feed["feed_id"]):
        differences += _blob_difference(blobs, f"importance part {part['part']}", part["blob_name"], part["blob_sha256"])
    for number, chunk in enumerate(chunks, start=1):
        differences += _blob_difference(blobs, f"chunk {chunk['chunk']}", chunk["blob_name"], chunk["blob_sha256"])
        if chunk["rejects_sha256"] is not None:
            what = f"rejected rows of chunk {chunk['chunk']}"
            differences += _blob_difference(blobs, what, chunk["rejects_blob"], chunk["rejects_sha256"])
        if number % _LOG_EVERY == 0:
            log.info("Compared the blobs of %d of %d chunks", number, len(chunks))
    return differences + _file_differences(ledger, blobs, feed)


def _blob_difference(blobs: Blobs, what: str, name: str, sha256: str) -> list[str]:
    found = blobs.sha256(name)
    if found == sha256:
        return []
    return [f"{what}: blob {name} {'does not exist' if found is None else f'has SHA-256 {found}, not {sha256}'}"]


def _file_differences(ledger: Ledger, blobs: Blobs, feed: Row) -> list[str]:
    # Listed before the ledger is read: a file that is written meanwhile is in the ledger first.
    there = blobs.names(detections_prefix(feed["feed"]))
    files = ledger.rows("select_files", feed_id=feed["feed_id"])
    differences, next_ordinal = [], 1
    for file in files:
        first, last, name = file["first_ordinal"], file["last_ordinal"], file["blob_name"]
        if first != next_ordinal:
            differences.append(f"file {name} holds detections {first} to {last}; {next_ordinal} is the next one to be in a file")
        next_ordinal = last + 1
        if file["uploaded_at"] is None:
            log.info("%s is reserved and not written yet; the next run writes it", name)
            continue
        rows = ledger.rows("select_file_detections", feed_id=feed["feed_id"], first_ordinal=first, last_ordinal=last)
        if hashlib.sha256(render_file(rows)).hexdigest() != file["blob_sha256"]:
            differences.append(f"file {name} was not written from the detections {first} to {last} that the ledger has now")
        differences += _blob_difference(blobs, f"file {file['file_number']}", name, file["blob_sha256"])
    known = {file["blob_name"] for file in files}
    return differences + [f"blob {name} is no file of the ledger" for name in there if name not in known]


def compare_state(ledger: Ledger, batch_id: int) -> dict[str, Any]:
    """Compare state and detections with what the audit's job has recomputed; record which rules still hold; close the audit.

    Returns
    -------
    dict
        For each pattern, how many detections there are, and of how many the rule still holds.

    Raises
    ------
    AuditError
        They differ. Names the first differences.
    BatchError
        The audit's job has left nothing to compare with.
    """
    batch = select_batch(ledger, batch_id)
    found = None
    if batch["closed_at"] is None:
        if ledger.row("select_lost_batch", batch_id=batch_id) is not None:
            raise BatchError(f"audit {batch_id} has no complete staging: its job did not finish. Trigger the audit again.")
        # Before the lock, because it takes long and the feed goes on. One statement sees one moment: the audit's copy and staging
        # do not change; of live tables it compares detections up to the audit's last chunk, and the others among themselves.
        rows = ledger.rows("select_audit_differences", batch_id=batch_id)
        count = rows[0]["differences"] if rows else 0
        found = _verdict(batch, "state and detections", [_in_words(row) for row in rows], count)
    with ledger.transaction():
        lock_feed(ledger, batch["feed"])
        batch = select_batch(ledger, batch_id)  # a rebuild or another audit may have closed it before the lock was ours
        verdict = batch["last_error"]
        if batch["closed_at"] is None:
            verdict = found
            ledger.run("set_still_holds", batch_id=batch_id)
            ledger.run("close_batch", batch_id=batch_id, reason=verdict)
    if verdict is not None:
        raise AuditError(verdict)
    return {
        row["pattern_id"]: {"detections": row["detections"], "still_hold": row["still_hold"]}
        for row in ledger.rows("select_still_holding", batch_id=batch_id)
    }


def _in_words(row: Row) -> str:
    # Names come from the data: repr() keeps a line end in one of them from starting a line of the log.
    names = ", ".join(repr(row[name]) for name in ("merchant", "customer") if row[name])
    ledger, found = (row[name] or "nothing" for name in ("ledger", "recomputed"))
    return f"{row['what']} {names}: the ledger has {ledger}, recomputed: {found}".replace("  ", " ")


def refuse(batch: Row, what: str, differences: list[str]) -> None:
    """Raise ``AuditError`` when there are differences; the log gets all of them."""
    if (verdict := _verdict(batch, what, differences, len(differences))) is not None:
        raise AuditError(verdict)


def _verdict(batch: Row, what: str, differences: list[str], count: int) -> str | None:
    """Log the differences, and put the first ones and their number into a sentence; ``None`` when there are none."""
    for difference in differences:
        log.error("%s", difference)
    if not differences:
        return None
    more = f"; and {count - MOST_NAMED} more" if count > MOST_NAMED else ""
    found = "one difference" if count == 1 else f"{count} differences"
    return (
        f"feed {batch['feed']}, chunks 1 to {batch['last_chunk']}, {what}: {found}: {'; '.join(differences[:MOST_NAMED])}{more}"
    )


def _feed_and_chunks(ledger: Ledger, batch: Row) -> tuple[Row, list[Row]]:
    feed = select_feed(ledger, batch["feed"])
    chunks = ledger.rows("select_chunks", feed_id=feed["feed_id"], first_chunk=1, last_chunk=batch["last_chunk"])
    return feed, chunks
