"""What the overview says of a feed, from the rows of the ledger: no database and no page in here."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

from feeds.ledger import Row


@dataclass(frozen=True)
class Overview:
    """How far a feed has got.

    Attributes
    ----------
    feed
        Its name.
    landed, applied
        Chunks.
    known
        Chunks that the source has: counted at its end, before that estimated from the size of the rows landed so far.
    is_estimate
        Whether ``known`` is estimated.
    lag_chunks
        Chunks that are due or landed, and not applied.
    lag_seconds
        For how long the first of them has been waiting; 0 when there is none.
    detections
        How many have been made.
    in_files, files
        How many detections have a file, and files written.
    state
        ``running``, ``done`` (all that the source has is applied and in files), ``waiting`` (for somebody to trigger a run),
        ``failing``.
    reason
        Why it is failing: the batch's last error; empty otherwise.
    failures
        Failed runs since the last good one.
    """

    feed: str
    landed: int
    applied: int
    known: int
    is_estimate: bool
    lag_chunks: int
    lag_seconds: int
    detections: int
    in_files: int
    files: int
    state: str
    reason: str
    failures: int

    @property
    def is_moving(self) -> bool:
        """Whether figures are about to change, so that the page looks again soon."""
        return self.state in ("running", "failing")


def overview(feed: Row, progress: Row, open_batch: Row | None, waiting_since: datetime | None, now: datetime) -> Overview:
    """Sum up the rows of ``select_feed``, ``page_progress``, ``select_open_batch`` and ``page_waiting_since``."""
    known, is_estimate = known_chunks(feed)
    due = chunks_due(feed, known)
    lag = max(due, feed["landed"]) - feed["applied"]
    seconds = (now - waiting_since).total_seconds() if lag > 0 and waiting_since else 0
    done = feed["landed_to_end"] and feed["applied"] == feed["landed"] and progress["reserved"] == progress["detections"]
    return Overview(
        feed=feed["feed"],
        landed=feed["landed"],
        applied=feed["applied"],
        known=known,
        is_estimate=is_estimate,
        lag_chunks=lag,
        lag_seconds=max(0, int(seconds)),
        detections=progress["detections"],
        in_files=progress["reserved"],
        files=progress["files"],
        state=_state(feed, lag, is_done=bool(done and not progress["unconfirmed"]), is_open=open_batch is not None),
        reason=(open_batch or {}).get("last_error") or "",
        failures=feed["failures"],
    )


def known_chunks(feed: Row) -> tuple[int, bool]:
    """How many chunks the source has, and whether that is an estimate."""
    if feed["landed_to_end"]:
        return feed["landed"], False
    rest = feed["source_size"] - feed["position"]
    per_row = feed["bytes_per_row"]
    if not per_row:
        return max(1, feed["landed"]), True
    return feed["landed"] + max(1, math.ceil(rest / (per_row * feed["chunk_size"]))), True


def chunks_due(feed: Row, known: int) -> int:
    """How many chunks should have landed by now: by the feed's pace; without one all, if scheduled runs carry the feed on."""
    if feed["landed_to_end"]:
        return int(feed["landed"])
    if feed["due"] is not None:
        return min(int(feed["due"]), known)
    return known if feed["followed"] else int(feed["landed"])


def _state(feed: Row, lag: int, *, is_done: bool, is_open: bool) -> str:
    if feed["failures"]:
        return "failing"
    if is_done:
        return "done"
    return "running" if is_open or (feed["followed"] and (lag > 0 or feed["due"] is not None)) else "waiting"
