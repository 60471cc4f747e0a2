"""The table of what is to be reached, row by row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Entry = dict[str, Any]


@dataclass(frozen=True)
class Target:
    """One figure of the table.

    Attributes
    ----------
    row
        Its row.
    measure
        Name of the result.
    what
        What it is, in words.
    limit
        What is to be reached.
    at_least
        Whether more is better.
    compared
        Names of the results of (a) and (b) that it is compared with, if any.
    """

    row: str
    measure: str
    what: str
    limit: float
    at_least: bool = False
    compared: tuple[str, str] | None = None

    def is_met(self, median: float) -> bool:
        """Whether a median reaches it."""
        return median >= self.limit if self.at_least else median <= self.limit


_ALL = ("lower limit, all chunks", "usual way, all chunks")
_ONE = ("lower limit, one chunk", "usual way, one chunk")
_GROWTH = ("lower limit, growth, long feed", "usual way, growth, long feed")
_RATE = ("lower limit, long feed", "usual way, long feed")

TARGETS = (
    Target("1", "freshness p50", "freshness: from a chunk coming due to its detections committed, p50", 7),
    Target("1", "freshness p95", "the same, p95", 12),
    Target("1", "freshness slope", "its growth over the chunks (less than 1 s over 60)", 1 / 60),
    Target("1", "full file after its chunk", "a full file uploaded, after its last chunk came due, longest", 12),
    Target("2", "last file after last chunk", "last file after the last chunk came due", 12),
    Target("3", "backfill", "backfill of all chunks, trigger to last file", 25, compared=_ALL),
    Target("4", "job, one chunk", "the detection job alone, one chunk", 4, compared=_ONE),
    Target("5", "job, all chunks", "the detection job alone, all chunks in one batch", 9, compared=_ALL),
    Target("6", "landing", "landing, not paced", 20, at_least=True),
    Target("6", "Drive bytes", "bytes read from Drive", 1.01),
    Target("6", "memory, ten times as long", "peak memory of landing a feed ten times as long, against the feed", 1.1),
    Target("7", "growth", "a one-chunk batch late in the feed against chunk 5", 1.1),
    Target("7", "growth, long feed", "the same on the long feed, against chunk 60", 1.5, compared=_GROWTH),
    Target("8", "throughput", "backfill of the long feed", 120_000, at_least=True, compared=_RATE),
    Target("8", "peak memory of the driver", "its peak memory, Spark driver", 2048),
    Target("8", "peak memory of a task", "its peak memory, an Airflow task", 500),
    Target("9", "slowest view of the page", "slowest view of the page, 1,000,000 detections", 300),
    Target("10", "DAG runs while idle", "DAG runs while nothing is due for 10 minutes", 2),
    Target("10", "CPU idle against paused", "its processor time, against a paused DAG", 1.2),
)


def latest(entries: list[Entry], measure: str, where: Callable[[Entry], bool] = lambda _entry: True) -> Entry | None:
    """Give the newest result of a measure; the oldest come first."""
    return next((entry for entry in reversed(entries) if entry["measure"] == measure and where(entry)), None)
