"""The bodies of the tasks of ``audit_feed``."""

from __future__ import annotations

import logging
from typing import Any

from airflow.sdk import get_current_context

from feeds import audit
from feeds.assets import AUDIT, describe
from feeds.detection import select_batch
from feeds.ledger import open_ledger
from feeds.schema import ensure_schema

log = logging.getLogger(__name__)


def open_batch(feed: str) -> dict[str, Any]:
    """Open the batch whose job recomputes the feed. See :func:`feeds.audit.open_audit`."""
    with open_ledger() as ledger:
        ensure_schema(ledger)
        ledger.run("delete_stale_staging")
        batch = audit.open_audit(ledger, feed, get_current_context()["dag_run"].run_id)
    return {"batch_id": batch["batch_id"], "last_chunk": batch["last_chunk"]}


def check_source(batch_id: int) -> None:
    """Compare the landed chunks with Drive. See :func:`feeds.audit.check_source`."""
    from feeds.drive import DriveHook

    with open_ledger() as ledger:
        batch = select_batch(ledger, batch_id)
        audit.refuse(batch, "source on Drive", audit.check_source(ledger, DriveHook(), batch))


def check_blobs(batch_id: int) -> None:
    """Compare all blobs with the ledger. See :func:`feeds.audit.check_blobs`."""
    from feeds.blobs import Blobs

    with open_ledger() as ledger:
        batch = select_batch(ledger, batch_id)
        audit.refuse(batch, "blobs", audit.check_blobs(ledger, Blobs(), batch))


def compare_state(batch_id: int) -> dict[str, Any]:
    """Compare state and detections with what the job has recomputed. See :func:`feeds.audit.compare_state`."""
    with open_ledger() as ledger:
        found = audit.compare_state(ledger, batch_id)
        ledger.run("delete_stale_staging")
        batch = select_batch(ledger, batch_id)
    describe(get_current_context(), AUDIT, feed=batch["feed"], last_chunk=batch["last_chunk"])
    for pattern, counts in found.items():
        log.info("%s: %d detections, the rule still holds for %d of them", pattern, counts["detections"], counts["still_hold"])
    return found
