"""What a run of the DAG asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class FeedRequest:
    """What a run asks for.

    Attributes
    ----------
    feed
        Name of the feed.
    settings
        The settings that the run names; others are the feed's own, or the defaults.
    folder_id, transactions_file, importance_file
        Where a new feed finds its files on Drive.
    first_chunk, last_chunk
        Range to land and apply; ``None``: from where the feed stands, and up to what is due.
    batch_chunks
        The range is applied in batches of at most so many chunks; ``None``: see :mod:`feeds.batch_size`.
    flush
        The run is to write all waiting detections.
    rebuild
        The run is to recompute state and detections from the landed chunks, by the feed's rules and the ``settings`` named.
    scheduled
        Nobody asked for the run: it carries on what the ledger says is due.
    run_id
        The run in Airflow, which the ledger keeps with what the run does; ``None``: there is no Airflow.
    """

    feed: str
    settings: dict[str, Any]
    folder_id: str = "root"
    transactions_file: str = "transactions.csv"
    importance_file: str = "CustomerImportance.csv"
    first_chunk: int | None = None
    last_chunk: int | None = None
    batch_chunks: int | None = None
    flush: bool = False
    rebuild: bool = False
    scheduled: bool = False
    run_id: str | None = None

    @property
    def ranged(self) -> bool:
        """Whether the run is about a range of chunks, whatever is due."""
        return self.first_chunk is not None or self.last_chunk is not None
