"""How many chunks a batch takes at most: what has landed may be days of a feed, and a job is ended after an hour."""

from __future__ import annotations

from feeds.ledger import Row

MOST_CHUNKS = 600
"""Of a batch for which nobody chose a size. The largest that was measured (docs/benchmarks.md, row 8): minutes on two cores."""

MOST_ROWS = MOST_CHUNKS * 10_000
"""And its rows, where chunks are larger than usual."""


def most_chunks(feed: Row, chosen: int | None) -> int:
    """Give how many chunks the feed's next batch may take: the size that was chosen, or as many as one job does in minutes."""
    return chosen or max(1, min(MOST_CHUNKS, MOST_ROWS // feed["chunk_size"]))
