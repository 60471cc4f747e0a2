"""Write detections to files in Blob Storage, in their order, each once.

A file is reserved in the ledger, uploaded under a name made of its number, then confirmed. Crash windows: reserved and not
uploaded, or uploaded and not confirmed: the next export writes the same rows into the same blob again. A file never changes,
because the detections that it holds, their order and their times are in the ledger before it is written. So two exports at once
write the same bytes into the same blobs; nothing remains. Killed behind its last file, an export has not noted yet which batches
are exported: the next one does, with its own time.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

from feeds.blob_names import detections_blob
from feeds.blob_store import BlobStore
from feeds.csv_lines import render_csv
from feeds.ledger import Ledger, Row

log = logging.getLogger(__name__)

HEADER = ("YStartTime", "detectionTime", "patternId", "ActionType", "customerName", "MerchantId")
IST = ZoneInfo("Asia/Kolkata")


def export_detections(ledger: Ledger, blobs: BlobStore, feed_name: str, *, flush: bool) -> list[str]:
    """Write every file that is due; a rest of fewer than a full file only when it is due, or ``flush`` asks for it.

    Returns
    -------
    list of str
        Names of the blobs written, in order.
    """
    feed = ledger.row("select_feed", feed=feed_name)
    if feed is None:
        return []
    while _reserve(ledger, feed["feed_id"], flush=flush):
        pass
    written = []
    for file in ledger.rows("select_unconfirmed_files", feed_id=feed["feed_id"]):
        rows = ledger.rows(
            "select_file_detections",
            feed_id=feed["feed_id"], first_ordinal=file["first_ordinal"], last_ordinal=file["last_ordinal"],
        )  # fmt: skip
        data = render_file(rows)
        blobs.write(file["blob_name"], data)
        ledger.run(
            "confirm_file",
            feed_id=feed["feed_id"], file_number=file["file_number"], blob_sha256=hashlib.sha256(data).hexdigest(),
        )  # fmt: skip
        log.info("Wrote %s: %d detections", file["blob_name"], len(rows))
        written.append(file["blob_name"])
    ledger.run("set_exported", feed_id=feed["feed_id"], applied=feed["applied"])
    return written


def comes_first(ledger: Ledger, feed_name: str) -> bool:
    """Whether what is due is written before the batch: the feed's last run has failed, and this one may fail like it.

    Not while a rebuild is open: what waits for a file is what it replaces.
    """
    feed = ledger.row("select_feed", feed=feed_name)
    if feed is None or not feed["failures"]:
        return False
    batch = ledger.row("select_open_batch", feed_id=feed["feed_id"])
    return batch is None or batch["purpose"] != "rebuild"


def export_first(ledger: Ledger, blobs: BlobStore, feed_name: str) -> None:
    """Write what is due; when that fails it is logged, and the batch goes on: the task that writes files comes last."""
    try:
        export_detections(ledger, blobs, feed_name, flush=False)
    except Exception:
        log.exception("The detection files that are due could not be written before the batch")


def _reserve(ledger: Ledger, feed_id: int, *, flush: bool) -> bool:
    """Reserve the next file, if one is due."""
    with ledger.transaction():
        ledger.run("lock_feed", feed_id=feed_id)
        waiting = ledger.row("select_waiting", feed_id=feed_id)
        count = 0 if waiting is None else rows_due(waiting, flush=flush)
        if waiting is None or count == 0:
            return False
        number = waiting["last_file"] + 1
        ledger.run(
            "insert_file",
            feed_id=feed_id,
            file_number=number,
            first_ordinal=waiting["last_ordinal"] + 1,
            last_ordinal=waiting["last_ordinal"] + count,
            blob_name=detections_blob(waiting["feed"], number),
        )
    return True


def rows_due(waiting: Row, *, flush: bool) -> int:
    """How many of the waiting detections the next file takes: a full file's, the rest when it is due, or 0.

    A rest is due when the feed is exhausted, when a run asks for it, or when its oldest detection has waited longer than the
    feed's ``linger_seconds``.
    """
    count = waiting["newest_ordinal"] - waiting["last_ordinal"]
    if count >= waiting["detections_per_file"]:
        return int(waiting["detections_per_file"])
    if count and (flush or waiting["exhausted"] or waiting["oldest_seconds"] > waiting["linger_seconds"]):
        return int(count)
    return 0


def render_file(rows: Iterable[Row]) -> bytes:
    """Render a detection file: CSV, UTF-8, one line per detection; what does not apply is empty."""
    lines = (
        (ist(row["started_at"]), ist(row["detected_at"]), row["pattern_id"], row["action_type"], row["customer"], row["merchant"])
        for row in rows
    )
    return render_csv([HEADER, *lines])


def ist(moment: datetime) -> str:
    """Format a moment in Indian Standard Time, ISO 8601 with offset, to the second."""
    return moment.astimezone(IST).isoformat(timespec="seconds")
