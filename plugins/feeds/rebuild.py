"""Rebuild: state and detections of a feed are recomputed from its landed chunks, by its rules or by others.

A rebuild is a batch of all applied chunks whose job starts from nothing. Until its commit, which is one transaction, the old
state is in force. Crash windows are those of any batch; an interrupted rebuild is found open by the next run, and carried on.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from typing import Any

from feeds.detection import insert_batch, keep_range, lock_feed
from feeds.errors import FeedSettingsError
from feeds.ledger import Ledger, Row
from feeds.settings import RULES, FeedSettings

log = logging.getLogger(__name__)

MOST_LINES = 100
"""How many changes the log shows; all of them are in ``ledger.rebuild_change``."""


def open_rebuild(ledger: Ledger, feed_name: str, settings: Mapping[str, Any], run_id: str | None = None) -> Row:
    """Open the batch that rebuilds a feed, or find it open.

    Another batch that is open is given up: its chunks are applied after the rebuild, by a batch of their own.

    Parameters
    ----------
    ledger
        The ledger.
    feed_name
        Name of the feed.
    settings
        Rules that the rebuild changes; they are the feed's once it is committed.
    run_id
        The run in Airflow, if any, that goes on with the batch.

    Returns
    -------
    dict
        The batch's row.

    Raises
    ------
    BatchError
        The feed is unknown.
    FeedSettingsError
        It has no applied chunk, or a rule is out of its range.
    """
    wanted = FeedSettings.parse({name: value for name, value in settings.items() if name in RULES})
    with ledger.transaction():
        feed = lock_feed(ledger, feed_name)
        if feed["applied"] == 0:
            raise FeedSettingsError(f"feed {feed_name} has no applied chunk: there is nothing to rebuild")
        new = [name for name in RULES if name in settings and getattr(wanted, name) != feed[name]]
        changed = {name: wanted.as_json()[name] for name in new}
        batch = ledger.row("select_open_batch", feed_id=feed["feed_id"])
        if batch is not None:
            if (batch["purpose"], batch["rules"], batch["last_chunk"]) == ("rebuild", changed, feed["applied"]):
                return ledger.row("take_up_batch", feed_id=feed["feed_id"], run_id=run_id) or batch
            ledger.run("close_batch", batch_id=batch["batch_id"], reason="given up for a rebuild")
            if batch["purpose"] == "apply":
                keep_range(ledger, feed, batch["last_chunk"], None)
            log.info("Batch %d (chunks %d to %d) is given up", batch["batch_id"], batch["first_chunk"], batch["last_chunk"])
        opened = insert_batch(ledger, feed, "rebuild", 1, feed["applied"], changed, run_id=run_id)
    log.info("Batch %d rebuilds chunks 1 to %d with %s", opened["batch_id"], feed["applied"], changed or "the same rules")
    return opened


def report(ledger: Ledger, batch_id: int) -> str | None:
    """Give, as a table, what a rebuild changed against before; ``None`` when the batch is no rebuild, or is not applied."""
    batch = ledger.row("select_batch", batch_id=batch_id)
    if batch is None or batch["purpose"] != "rebuild" or batch["applied_at"] is None:
        return None
    changes = ledger.rows("select_rebuild_changes", batch_id=batch_id)
    counts = Counter(change["change"] for change in changes)
    head = f"Rebuilt chunks 1 to {batch['last_chunk']} of feed {batch['feed']} with {batch['rules'] or 'the same rules'}"
    summary = ", ".join(f"{counts[kind]} {kind}" for kind in ("added", "gone", "moved"))
    return "\n".join([f"{head}: {summary}", *_table(changes[:MOST_LINES]), *_left_out(len(changes) - MOST_LINES)])


def _table(changes: list[Row]) -> list[str]:
    if not changes:
        return []
    names = ("change", "pattern_id", "merchant", "customer", "chunk_before", "chunk_after", "exported")
    cells = [names, *(tuple(_text(change[name]) for name in names) for change in changes)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(names))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]


def _text(value: Any) -> str:
    # Names come from the data: repr() keeps a line end in one of them from starting a line of the log.
    return "-" if value is None or value == "" else repr(value)[1:-1] if isinstance(value, str) else str(value)


def _left_out(count: int) -> list[str]:
    return [f"... and {count} more, all in ledger.rebuild_change"] if count > 0 else []
