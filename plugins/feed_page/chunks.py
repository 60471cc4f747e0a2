"""The chunks of a feed as squares: what each is, and its facts in words."""

from __future__ import annotations

from dataclasses import dataclass

from feed_page.feeds import FeedState
from feed_page.overview import chunks_due
from feeds.blob_names import chunk_blob
from feeds.ledger import Ledger, Row

PAGE = 500
"""How many squares a page has."""


@dataclass(frozen=True)
class Square:
    """One chunk.

    Attributes
    ----------
    chunk
        Its number.
    state
        ``applied``, ``failed`` (its batch's job failed, and is tried again), ``landed``, ``due`` (should have landed), ``known``
        (is to come).
    row
        Row of ``page_chunks``; ``None`` when it has not landed.
    run_id
        The Airflow run that handled it last, if the ledger knows.
    """

    chunk: int
    state: str
    row: Row | None
    run_id: str | None


@dataclass(frozen=True)
class ChunksPage:
    """A page of squares, and which pages there are.

    Attributes
    ----------
    squares
        In order.
    first, last
        The chunks on it.
    starts
        First chunk of every page.
    blobs
        What the names of the feed's chunks look like: that of the first one.
    """

    squares: list[Square]
    first: int
    last: int
    starts: list[int]
    blobs: str


def page_of_chunks(ledger: Ledger, state: FeedState, at: int | None) -> ChunksPage:
    """Give the page that holds chunk ``at``; without it the one on which the feed is now."""
    known = max(state.overview.known, state.overview.landed, 1)
    wanted = min(at or max(state.overview.landed, 1), known)
    first = (wanted - 1) // PAGE * PAGE + 1
    last = min(first + PAGE - 1, known)
    rows = ledger.rows("page_chunks", feed_id=state.feed_id, first_chunk=first, last_chunk=last)
    landed = {row["chunk"]: row for row in rows}
    due = chunks_due(state.row, known)
    squares = [_square(chunk, landed.get(chunk), state.open_batch, due) for chunk in range(first, last + 1)]
    return ChunksPage(squares, first, last, list(range(1, known + 1, PAGE)), chunk_blob(state.row["feed"], 1))


def _square(chunk: int, row: Row | None, batch: Row | None, due: int) -> Square:
    if row is None:
        return Square(chunk, "due" if chunk <= due else "known", None, None)
    if row["applied_at"] is not None:
        return Square(chunk, "applied", row, row["applied_by"] or row["landed_by"])
    if batch is not None and batch["purpose"] == "apply" and batch["first_chunk"] <= chunk <= batch["last_chunk"]:
        return Square(chunk, "failed" if batch["last_error"] else "landed", row, batch["run_id"] or row["landed_by"])
    return Square(chunk, "landed", row, row["landed_by"])
