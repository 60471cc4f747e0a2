"""Mechanism Y: which chunks a batch takes, and the Databricks run that detects their patterns.

Crash windows:

- batch opened, no run: the next try finds the open batch and submits its run;
- run submitted, its id not kept: the next submission carries the same idempotency token, and Databricks answers with that run;
- run has failed, the failure not recorded: the next try gets the failed run once more, records it, and the try after that
  starts a new one, because the token contains the batch's generation;
- run deleted in the workspace: Databricks refuses its token; that is recorded, and the next try starts a new one;
- run has succeeded, its staging is gone: the commit refuses the batch and raises the generation;
- batch committed, task not yet done: the next try finds it applied, and changes nothing.

What remains: when Databricks has forgotten a run that still goes on, a second one does the same work. Each stages under an id of
its own and the commit takes one of them, so nothing is counted twice; what a run stages after the commit, the next run deletes.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.databricks.hooks.databricks import DatabricksHook
from psycopg.types.json import Jsonb

from feeds.batch_size import most_chunks
from feeds.errors import BatchError, ChunkGapError, RejectLimitError
from feeds.faults import refused_submission
from feeds.ledger import Ledger, Row, open_ledger
from feeds.settings import FeedSettings
from feeds.submission import DATABRICKS_CONN_ID, RUN_TIMEOUT_SECONDS, run_of

if TYPE_CHECKING:
    import jinja2
    from airflow.sdk import Context

log = logging.getLogger(__name__)

_MARGIN_SECONDS = 300


def open_batch(
    ledger: Ledger,
    feed_name: str,
    first_chunk: int | None,
    last_chunk: int | None,
    batch_chunks: int | None = None,
    run_id: str | None = None,
    *,
    scheduled: bool = False,
) -> Row | None:
    """Find the feed's open batch, or open one with the chunks that have landed and are not applied.

    Parameters
    ----------
    ledger
        The ledger.
    feed_name
        Name of the feed.
    first_chunk, last_chunk
        Bounds of a new batch; ``None``: none. An open batch keeps its range.
    batch_chunks
        Batches of at most so many chunks, of which this is the first. It is kept with the range for the runs that take the rest.
        ``None``: see :func:`feeds.batch_size.most_chunks`.
    run_id
        The run in Airflow, if any, that goes on with the batch.
    scheduled
        Nobody asked for the run: of a feed that nobody follows it opens no batch but one of a range that was asked for.

    Returns
    -------
    dict or None
        The batch's row; ``None`` when there is nothing to apply.

    Raises
    ------
    ChunkGapError
        Chunks before ``first_chunk`` are not applied.
    RejectLimitError
        The next chunk has more rejected rows than the feed allows. One further on ends the batch before it.
    """
    ranged = first_chunk is not None or last_chunk is not None
    try:
        with ledger.transaction():
            feed = lock_feed(ledger, feed_name)
            size, end = batch_chunks, last_chunk or feed["landed"]
            if ranged:
                keep_range(ledger, feed, end, batch_chunks)
            elif feed["applied"] < (feed["backfill_to"] or 0) and not (feed["followed"] and feed["backfill_chunks"] is None):
                size, end = feed["backfill_chunks"], feed["backfill_to"]
            elif scheduled and not feed["followed"]:
                end = feed["applied"]
            batch = ledger.row("take_up_batch", feed_id=feed["feed_id"], run_id=run_id)
            if batch is None:
                batch = _new_batch(ledger, feed, first_chunk, end, size, run_id)
    except RejectLimitError:
        # Somebody has to act: scheduled runs do not go on with the range by themselves.
        ledger.run("set_backfill", feed_id=feed["feed_id"], backfill_to=None, backfill_chunks=None)
        raise
    if batch is not None:
        log.info("Batch %d takes chunks %d to %d", batch["batch_id"], batch["first_chunk"], batch["last_chunk"])
    return batch


def lock_feed(ledger: Ledger, feed_name: str) -> Row:
    """Give a feed as it stands, locked until the transaction ends; ``BatchError`` when there is none of that name."""
    feed = ledger.row("select_feed", feed=feed_name)
    if feed is None:
        raise BatchError(f"feed {feed_name} is not in the ledger; land_chunks starts it")
    ledger.run("lock_feed", feed_id=feed["feed_id"])
    return ledger.row("select_feed", feed=feed_name) or feed  # another run may have gone on before the lock was ours


def keep_range(ledger: Ledger, feed: Row, end: int, batch_chunks: int | None) -> None:
    """Keep what a run asks for, so that scheduled runs do what is left of it; a longer range that is under way stays."""
    kept = feed["backfill_to"] or 0
    if end > feed["applied"]:
        size = feed["backfill_chunks"] if batch_chunks is None and kept > end else batch_chunks
        ledger.run("set_backfill", feed_id=feed["feed_id"], backfill_to=max(end, kept), backfill_chunks=size)


def _new_batch(
    ledger: Ledger, feed: Row, first_chunk: int | None, last_chunk: int, size: int | None, run_id: str | None
) -> Row | None:
    start = feed["applied"] + 1
    end = min(feed["landed"], last_chunk, feed["applied"] + most_chunks(feed, size))
    if start > end:
        return None
    if first_chunk is not None and first_chunk > start:
        missing = f"chunk {start}" if first_chunk == start + 1 else f"chunks {start} to {first_chunk - 1}"
        raise ChunkGapError(
            f"feed {feed['feed']}: {missing} must be applied before chunk {first_chunk}. Start the range at chunk {start}."
        )
    end = _end_before_rejects(ledger, feed, start, end)
    return insert_batch(ledger, feed, "apply", start, end, run_id=run_id)


def insert_batch(
    ledger: Ledger,
    feed: Row,
    purpose: str,
    first_chunk: int,
    last_chunk: int,
    rules: Mapping[str, Any] | None = None,
    *,
    run_id: str | None,
) -> Row:
    """Open a batch of a feed that is locked; ``rules`` are those of the feed's that a rebuild changes. Give its row."""
    (batch,) = ledger.rows(
        "insert_batch",
        feed_id=feed["feed_id"], purpose=purpose, rules=Jsonb(rules or {}), first_chunk=first_chunk, last_chunk=last_chunk,
        run_id=run_id,
    )  # fmt: skip
    return batch


def select_batch(ledger: Ledger, batch_id: int) -> Row:
    """Give a batch with what its job is told; ``BatchError`` when there is none of that number."""
    batch = ledger.row("select_batch", batch_id=batch_id)
    if batch is None:
        raise BatchError(f"batch {batch_id} is not in the ledger; clear the task that opens it and what follows")
    return batch


def why_nothing(ledger: Ledger, feed_name: str, first_chunk: int | None, last_chunk: int | None) -> str:
    """Say why :func:`open_batch` has found nothing to apply."""
    feed = ledger.row("select_feed", feed=feed_name)
    applied = 0 if feed is None else feed["applied"]
    if last_chunk is not None and last_chunk <= applied:
        first = min(first_chunk or last_chunk, last_chunk)
        chunks = f"chunk {last_chunk} is" if first == last_chunk else f"chunks {first} to {last_chunk} are"
        return f"nothing to apply: {chunks} applied already, up to chunk {applied} all are"
    if feed is not None and applied < feed["landed"]:
        return f"nothing to apply: nobody follows the feed, and no range behind chunk {applied} was asked for"
    return f"nothing to apply: all that has landed is applied, up to chunk {applied}"


def _end_before_rejects(ledger: Ledger, feed: Row, start: int, end: int) -> int:
    """Last chunk that a batch may take: the one before the first with too many rejected rows, however much has landed."""
    for chunk in ledger.rows("select_chunks", feed_id=feed["feed_id"], first_chunk=start, last_chunk=end):
        rows = chunk["landed_rows"] + chunk["rejected_rows"]
        if chunk["rejected_rows"] * 100 <= feed["max_reject_percent"] * rows:
            continue
        if chunk["chunk"] > start:
            return int(chunk["chunk"]) - 1
        reasons = ", ".join(f"{reason}: {count}" for reason, count in sorted(chunk["reject_reasons"].items()))
        raise RejectLimitError(
            f"feed {feed['feed']}, chunk {chunk['chunk']}: {chunk['rejected_rows']} of {rows} rows are rejected ({reasons}), "
            f"more than max_reject_percent = {feed['max_reject_percent']}. They are listed in {chunk['rejects_blob']}. "
            "The chunk is not applied, nor is any behind it. To do without these rows, trigger the DAG with "
            f"feed = {feed['feed']} and max_reject_percent = {_limit_for(chunk['rejected_rows'], rows)} (and the range, if "
            "there was one); to count them, start a new feed on a corrected file."
        )
    return end


def _limit_for(rejected: int, rows: int) -> int:
    """Give the least whole percentage that allows so many rejected rows and that the trigger form takes for a wish."""
    percent = math.ceil(100 * rejected / rows)
    return percent + 1 if percent == FeedSettings().max_reject_percent else percent


def detection_run(context: Context, jinja_env: jinja2.Environment) -> dict[str, Any]:
    """Give the run of ``detect_patterns`` for the batch of this run.

    A callable in a template field: Airflow calls it at every try, so that each carries the batch's current generation.
    """
    with open_ledger() as ledger:
        return run_of(select_batch(ledger, opened_batch(context)))


def wait_for_long_run(context: Context) -> None:
    """Let the task wait as long as its run may take, when that is longer than usual: a hook before the operator."""
    task: Any = context["task"]
    seconds = task.json["tasks"][0]["timeout_seconds"]  # rendered by now: of the batch at hand
    task.execution_timeout = timedelta(seconds=seconds + _MARGIN_SECONDS)


def opened_batch(context: Context) -> int:
    """Give the number of the run's batch, which the first task of each DAG opens."""
    (first,) = context["dag"].roots
    return int(context["ti"].xcom_pull(task_ids=first.task_id)["batch_id"])


def record_failed_run(context: Context) -> None:
    """Raise the batch's generation when its Databricks run has failed, so that the next try starts a new run.

    A callback on failure and on retry. Nothing is recorded when the run's end is not known: then it may still be going on, and
    the next try must find it again.
    """
    reason = _why_anew(context)
    if reason is None:
        return
    with open_ledger() as ledger:
        batch = ledger.row("select_batch", batch_id=opened_batch(context))
        if batch is not None:
            ledger.run("fail_batch", batch_id=batch["batch_id"], generation=batch["generation"], error=reason)


def _why_anew(context: Context) -> str | None:
    """Say why the next try must start a new run; ``None``: it must not."""
    run_id = context["ti"].xcom_pull(task_ids="detect_patterns", key="run_id")
    if run_id is None:
        refused = refused_submission(context.get("exception"))
        if refused is not None:
            # It has started nothing. The token may be why: Databricks refuses that of a run which somebody has deleted.
            return f"Databricks refuses the submission: {refused}"
        log.info("No Databricks run was submitted; the next try submits with the same token")
        return None
    state = DatabricksHook(DATABRICKS_CONN_ID).get_run_state(run_id)
    if not state.is_terminal or state.is_successful:
        log.info("Databricks run %s is %s; the next try finds it again", run_id, state.life_cycle_state)
        return None
    return f"Databricks run {run_id}: {state.result_state} {state.state_message}"


def record_lost_staging(context: Context) -> None:
    """Raise the batch's generation when a run succeeded but has left nothing to commit: a callback of the commit.

    Otherwise Databricks would answer every submission of the batch with that same run.
    """
    with open_ledger() as ledger:
        batch = ledger.row("select_lost_batch", batch_id=opened_batch(context))
        if batch is not None:
            ledger.run(
                "fail_batch",
                batch_id=batch["batch_id"],
                generation=batch["generation"],
                error="its job succeeded, but its staging is gone",
            )


DETECTION_TASK: dict[str, Any] = {
    "task_id": "detect_patterns",
    "databricks_conn_id": DATABRICKS_CONN_ID,
    "json": detection_run,
    # Waits in place: a deferred 4 s job takes 3 s longer than this. Killed, it finds its run again by the token, which also tells
    # batches apart; the run id that `durable` keeps would not, when an old task is cleared.
    "deferrable": False,
    "durable": False,
    # Databricks ends the run first, and says so; ended here, its end would not be known, and the next try would find it again.
    "execution_timeout": timedelta(seconds=RUN_TIMEOUT_SECONDS + _MARGIN_SECONDS),
    "pre_execute": wait_for_long_run,
    "retries": 1,  # a job that fails twice mostly does so over its input; the next run carries on anyway
    "polling_period_seconds": 0.25,  # it sleeps so long; a question costs a request, and 1 would add half a second to a run
    "on_retry_callback": record_failed_run,
}
"""How both DAGs run the job: the arguments of their ``DatabricksSubmitRunOperator``."""
