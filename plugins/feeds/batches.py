"""The batch that a run takes: that of the rebuild it asks for, the one that is open, or a new one of what has landed."""

from __future__ import annotations

import logging

from feeds import detection, export, rebuild
from feeds.blob_store import BlobStore
from feeds.ledger import Ledger, Row
from feeds.request import FeedRequest

log = logging.getLogger(__name__)


def take_batch(ledger: Ledger, blobs: BlobStore, request: FeedRequest) -> Row | None:
    """Open the batch that a run takes, or find it open; ``None``, and a line in the log, when there is nothing to apply.

    Before that, when the feed's last run has failed, write what is due already.

    Raises
    ------
    ChunkGapError, RejectLimitError
        See :func:`feeds.detection.open_batch`.
    FeedSettingsError
        See :func:`feeds.rebuild.open_rebuild`.
    """
    ledger.run("delete_stale_staging")
    if request.rebuild:
        return rebuild.open_rebuild(ledger, request.feed, request.settings, request.run_id)
    if export.comes_first(ledger, request.feed):
        export.export_first(ledger, blobs, request.feed)
    batch = detection.open_batch(
        ledger, request.feed, request.first_chunk, request.last_chunk, request.batch_chunks, request.run_id,
        scheduled=request.scheduled,
    )  # fmt: skip
    if batch is None:
        log.info("%s", detection.why_nothing(ledger, request.feed, request.first_chunk, request.last_chunk))
    return batch
