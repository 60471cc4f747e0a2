"""The bodies of the tasks: they open the connections and call the functions that do the work.

Crash windows are named where the work is done. One remains here: killed between its last file and ``record_success``, or
before ``record_failure``, a run leaves ``failures`` and ``hold_until`` of the run before it. That shifts when scheduled runs
take the feed up, never what they do.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from airflow.sdk import get_current_context
from airflow.sdk.exceptions import AirflowSkipException

from feeds.assets import CHUNKS, DETECTION_FILES, MORE_WORK, WORK, describe
from feeds.due_feed import DUE_AT, due_now
from feeds.errors import ChunkGapError, FeedSettingsError
from feeds.ledger import open_ledger

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)


def choose_feed(feed: str) -> str:
    """Give the feed that is asked for, or the followed one that has been due longest; skip the run when nothing is due.

    A run that contradicts itself ends here, before it touches anything.
    """
    from feeds.params import feed_request
    from feeds.schema import ensure_schema

    context = get_current_context()
    feed_request(context, feed)
    with open_ledger() as ledger:
        ensure_schema(ledger)
        if feed:
            return feed
        due = due_now(ledger)
    if due is None:
        reason = "nothing was due"
        context["ti"].xcom_push(key="skipped_because", value=reason)
        raise AirflowSkipException(reason)
    context["ti"].xcom_push(key=DUE_AT, value=time.time() - due["late_seconds"])  # what its freshness is measured from
    return str(due["feed"])


def land_chunks(feed: str) -> dict[str, Any]:
    """Land what is due of the feed, or the range that the run asks for. See :func:`feeds.landing.land`."""
    from feeds.blobs import Blobs
    from feeds.drive import DriveHook
    from feeds.landing import land
    from feeds.params import feed_request

    context = get_current_context()
    with open_ledger() as ledger:
        landed = land(ledger, DriveHook(), Blobs(), feed_request(context, feed))
    describe(context, CHUNKS, feed=feed, last_chunk=landed["landed"], new_chunks=landed["new_chunks"])
    return landed


def open_batch(feed: str) -> dict[str, Any]:
    """Open the batch of what has landed (:func:`feeds.detection.open_batch`); skip detection when that is nothing.

    Before that, when the feed's last run has failed, write what is due already.
    """
    from feeds import detection, export, rebuild
    from feeds.params import feed_request

    request = feed_request(get_current_context(), feed)
    with open_ledger() as ledger:
        ledger.run("delete_stale_staging")
        batch: dict[str, Any] | None
        if request.rebuild:
            batch = rebuild.open_rebuild(ledger, feed, request.settings, request.run_id)
        else:
            if export.comes_first(ledger, feed):
                from feeds.blobs import Blobs

                export.export_first(ledger, Blobs(), feed)
            batch = detection.open_batch(
                ledger, feed, request.first_chunk, request.last_chunk, request.batch_chunks, request.run_id,
                scheduled=request.scheduled,
            )  # fmt: skip
        if batch is None:
            raise AirflowSkipException(detection.why_nothing(ledger, feed, request.first_chunk, request.last_chunk))
    return {
        "batch_id": batch["batch_id"],
        "first_chunk": batch["first_chunk"],
        "last_chunk": batch["last_chunk"],
    }


def skip_when_nothing_waits(context: Context) -> None:
    """Skip ``chunks_landed`` when ``land_chunks`` names no blob: there is nothing to apply, and old chunks may be deleted."""
    sensor: Any = context["task"]
    if not sensor.blob_name:
        raise AirflowSkipException("nothing to apply")


def export_detections(feed: str) -> list[str]:
    """Write the detection files that are due (:func:`feeds.export.export_detections`); start the next run if more work is."""
    from feeds import export, rebuild
    from feeds.blobs import Blobs

    context = get_current_context()
    with open_ledger() as ledger:
        written = export.export_detections(ledger, Blobs(), feed, flush=context["params"]["flush"])
        ledger.run("record_success", feed=feed)
        opened = context["ti"].xcom_pull(task_ids="open_batch")
        if opened is not None and (changes := rebuild.report(ledger, opened["batch_id"])):
            log.info("%s", changes)
        more = due_now(ledger)
    if more is not None:
        context["outlet_events"][MORE_WORK].add(WORK, extra={"feed": more["feed"]})
    describe(context, DETECTION_FILES, feed=feed, new_files=len(written))
    return written


def record_failure(context: Context) -> None:
    """Keep scheduled runs off a feed for a while after a failed task: a callback on failure.

    Not when a run was refused over what it asked for: the feed itself is well.
    """
    if isinstance(context.get("exception"), FeedSettingsError | ChunkGapError):
        return
    ti = context["ti"]
    feed = context["params"]["feed"] or ti.xcom_pull(task_ids="choose_feed")
    if feed:
        with open_ledger() as ledger:
            ledger.run("record_failure", feed=feed)
