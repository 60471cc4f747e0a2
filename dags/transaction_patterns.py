"""
# Transaction patterns

Lands a bank's transactions from Google Drive in Blob Storage, in chunks of 10,000, one a second; detects three patterns with
PySpark on Databricks; keeps its state in PostgreSQL; writes the detections to Blob Storage, 50 to a file.

```
land_chunks > chunks_landed > detect_patterns > commit_batch > export_detections

Drive =============> chunks =================> staging ==============> state ===================> detection files
        land_chunks           detect_patterns           commit_batch         export_detections
```

Tasks are named here by their ids; Airflow shows their display names.

**To watch** a feed, open *Transaction patterns* in Airflow's navigation: its chunks, detections and files. A run's note says what
it does; the links of `land_chunks` and `export_detections` lead to the feed's chunks and files.

**To start a feed**, trigger the DAG with a new name in *Feed*, and the Drive folder that holds its files. From then on
scheduled runs carry it on. **To get the last few detections now**, trigger it with the feed and *flush*.

**To backfill**, trigger it with *first_chunk* and *last_chunk*: the range is landed and applied at once, also before it is
due; what is applied already is skipped. Up to 600 chunks are one batch. A longer range, or one with *batch_chunks*, is applied in
several: this run takes the first, scheduled runs the others.

**To rebuild**, trigger it with *rebuild*, the feed, and the rules that shall change, if any: state and detections are
recomputed from the landed chunks, and the old ones are in force until all of it is done. A detection that is in a file
already stays there; the log of `export_detections` lists what was added, is gone, or has moved to another chunk. Until then
the feed's new chunks wait. To check a feed without changing it, trigger the DAG audit_feed.

**What is normal.** Work that is due starts a run, which Airflow lists as *asset triggered*; the page of the asset *Work that is
due* has an event for each. One run at a time, one after the other. Each takes everything that is due: `land_chunks` lands what
has come due, `detect_patterns` applies what has landed, 600 chunks at most, `export_detections` writes what is waiting. While
nothing is due, nothing runs, but every ten minutes one for new rows at the end of a feed. When no chunk has come due, the tasks
from `chunks_landed` to `commit_batch` are skipped. After the DAG is unpaused it may take half a minute until a run starts by
itself.

**When a task fails**, the next run carries on: nothing is counted twice and nothing is lost, so there is nothing to repair. A
feed whose runs fail is left alone for 10 s, then 20 s, at most 10 minutes; a run that somebody triggers starts at once. What was
begun with a feed that nobody follows is given up after five failed runs: trigger it again. The last line of the log says what to
do. Worry when

- `land_chunks` says *SchemaError*: the ledger lacks the schema of this version, and Airflow may not apply it; who may finds
  the command in the message;
- `land_chunks` says *FeedSettingsError*: what the run asks for contradicts itself. Nothing has landed; trigger it again as
  the message says;
- `land_chunks` says *SourceChangedError*: the file on Drive is not the one that was landed. Restore it, or start a new feed;
- `land_chunks` says *RejectLimitError*: the rows are listed in the blob that the message names. To go on without them, trigger
  the DAG with the feed and a higher *max_reject_percent*;
- `detect_patterns` fails several times: the link *See Databricks Job Run* leads to its output;
- `commit_batch` fails: ledger and landed chunks do not agree; nothing was committed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pendulum
from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator
from airflow.providers.databricks.operators.databricks import DatabricksSubmitRunOperator
from airflow.providers.microsoft.azure.sensors.wasb import WasbBlobSensor
from airflow.sdk import dag, task

from feeds import assets, tasks
from feeds.alerts import alert_failure, alert_lateness
from feeds.detection import DETECTION_TASK, record_failed_run, record_lost_staging
from feeds.forms import trigger_params
from feeds.links import ChunksLink, FilesLink, linked
from feeds.task_defaults import TASK_DEFAULTS
from feeds.task_texts import PIPELINE as TEXTS

ON_FAILURE = [tasks.record_failure, alert_failure]


@dag(
    dag_display_name="Transaction patterns",
    schedule=[assets.WORK],
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    params=trigger_params(),
    template_searchpath=[str(Path(__file__).resolve().parents[1] / "include" / "sql")],
    default_args={**TASK_DEFAULTS, "on_failure_callback": ON_FAILURE},
    description="Lands transactions from Drive in chunks, detects patterns on Databricks, writes detections to Blob Storage.",
    doc_md=__doc__,
    tags=["transactions", "patterns"],
)
def transaction_patterns() -> None:
    """Drive to Blob Storage to Databricks to PostgreSQL to Blob Storage."""
    land = task(
        multiple_outputs=False,  # its result is one XCom: each is a request more in every run
        inlets=[assets.TRANSACTIONS, assets.IMPORTANCE],
        outlets=[assets.CHUNKS],
        **TEXTS["land_chunks"],
    )
    landed: Any = linked(land(tasks.land_chunks)("{{ params.feed or '' }}"), ChunksLink())
    chunks_landed = WasbBlobSensor(
        task_id="chunks_landed",
        wasb_conn_id="blob",
        container_name="{{ conn.blob.extra_dejson.container }}",
        blob_name="{{ ti.xcom_pull(task_ids='land_chunks')['last_blob'] }}",
        pre_execute=tasks.skip_when_nothing_waits,
        deferrable=True,
        poke_interval=1,
        timeout=600,
        **TEXTS["chunks_landed"],
    )
    detect = DatabricksSubmitRunOperator(
        inlets=[assets.CHUNKS],
        on_failure_callback=[record_failed_run, *ON_FAILURE],
        **DETECTION_TASK,
        **TEXTS["detect_patterns"],
    )
    commit = SQLExecuteQueryOperator(
        task_id="commit_batch",
        conn_id="ledger",
        sql="commit_batch.sql",
        parameters={"batch_id": "{{ ti.xcom_pull(task_ids='land_chunks')['batch_id'] }}"},
        split_statements=True,
        inlets=[assets.CHUNKS],
        outlets=[assets.STATE],
        pre_execute=assets.describe_commit,
        on_retry_callback=record_lost_staging,
        on_failure_callback=[record_lost_staging, *ON_FAILURE],
        **TEXTS["commit_batch"],
    )
    write = task(
        inlets=[assets.STATE],
        outlets=[assets.DETECTION_FILES, assets.MORE_WORK],
        trigger_rule="none_failed_min_one_success",
        on_success_callback=alert_lateness,
        **TEXTS["export_detections"],
    )
    export = linked(write(tasks.export_detections)(landed["feed"]), FilesLink())

    landed >> chunks_landed >> detect >> commit >> export


transaction_patterns()
