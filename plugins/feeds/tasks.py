"""The bodies of the tasks: they open the connections and call the functions that do the work.

Crash windows are named where the work is done. One remains here: killed between its last file and ``record_success``, or
before ``record_failure``, a run leaves ``failures`` and ``hold_until`` of the run before it. That shifts when scheduled runs
take the feed up, never what they do.
"""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow.sdk import get_current_context
from airflow.sdk.exceptions import AirflowSkipException

from feeds.assets import CHUNKS, DETECTION_FILES, MORE_WORK, WORK, describe
from feeds.blob_names import chunk_blob
from feeds.due_feed import DUE_AT, FEED, due_now
from feeds.errors import ChunkGapError, FeedSettingsError
from feeds.ledger import Ledger, open_ledger

if TYPE_CHECKING:
    from airflow.sdk import Context

    from feeds.request import FeedRequest

log = logging.getLogger(__name__)


def land_chunks(feed: str) -> dict[str, Any]:
    """Land what is due of the feed that is asked for, or of the one that has been due longest, and open the batch of it.

    A run that contradicts itself ends here, before it touches anything. One for which nothing is due is skipped.

    Returns
    -------
    dict
        What :func:`feeds.landing.land` gives; ``batch_id``, ``first_chunk`` and ``last_chunk`` of the batch
        (:func:`feeds.batches.take_batch`), all ``None`` when there is nothing to apply; and ``last_blob``, the blob of its last
        chunk, or empty.
    """
    from feeds.params import feed_request
    from feeds.schema import ensure_schema

    context = get_current_context()
    request = feed_request(context, feed)
    with open_ledger() as ledger:
        ensure_schema(ledger)
        request = replace(request, feed=feed or _longest_due(context, ledger))
        context["ti"].xcom_push(key=FEED, value=request.feed)
        return _land(context, ledger, request)


def _longest_due(context: Context, ledger: Ledger) -> str:
    """Give the followed feed that has been due longest, and keep since when; skip the run when nothing is due."""
    due = due_now(ledger)
    if due is None:
        reason = "nothing was due"
        context["ti"].xcom_push(key="skipped_because", value=reason)
        raise AirflowSkipException(reason)
    context["ti"].xcom_push(key=DUE_AT, value=time.time() - due["late_seconds"])  # what its freshness is measured from
    return str(due["feed"])


def _land(context: Context, ledger: Ledger, request: FeedRequest) -> dict[str, Any]:
    from feeds.batches import take_batch
    from feeds.blobs import Blobs
    from feeds.drive import DriveHook
    from feeds.landing import land

    blobs = Blobs()
    landed = land(ledger, DriveHook(), blobs, request)
    describe(context, CHUNKS, feed=request.feed, last_chunk=landed["landed"], new_chunks=landed["new_chunks"])
    batch = take_batch(ledger, blobs, request)
    taken = {name: None if batch is None else batch[name] for name in ("batch_id", "first_chunk", "last_chunk")}
    return {**landed, **taken, "last_blob": "" if batch is None else chunk_blob(request.feed, batch["last_chunk"])}


def skip_when_nothing_waits(context: Context) -> None:
    """Skip ``chunks_landed``, and so what follows it up to the export, when ``land_chunks`` names no blob to wait for."""
    sensor: Any = context["task"]
    if not sensor.blob_name:
        raise AirflowSkipException("nothing to apply; the log of land_chunks says why")


def export_detections(feed: str) -> list[str]:
    """Write the detection files that are due (:func:`feeds.export.export_detections`); start the next run if more work is."""
    from feeds import export, rebuild
    from feeds.blobs import Blobs

    context = get_current_context()
    with open_ledger() as ledger:
        written = export.export_detections(ledger, Blobs(), feed, flush=context["params"]["flush"])
        ledger.run("record_success", feed=feed)
        batch_id = context["ti"].xcom_pull(task_ids="land_chunks")["batch_id"]
        if batch_id is not None and (changes := rebuild.report(ledger, batch_id)):
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
    feed = context["params"]["feed"] or ti.xcom_pull(task_ids="land_chunks", key=FEED)
    if feed:
        with open_ledger() as ledger:
            ledger.run("record_failure", feed=feed)
