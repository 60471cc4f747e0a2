"""
# Audit a feed

Recomputes state and detections of a feed from its landed chunks alone, and compares them with the ledger; compares every blob
with the ledger, and every chunk with its bytes on Drive.

```
open_batch > detect_patterns > compare_state
open_batch > check_source
open_batch > check_blobs
```

**To audit**, trigger the DAG with the name in *Feed*. The feed goes on meanwhile, but waits while `open_batch` copies its state:
the audit is about the chunks that were applied when it began, and about the state as it was then. The link of `open_batch` leads
to the feed's detections on the page *Transaction patterns*, which show what the audit has found of them.

**What is normal.** All tasks are green. `detect_patterns` runs the job of the same name over all chunks, from nothing, so it
takes as long as a backfill of the whole feed; `check_source` reads the landed part of the file on Drive once. The log of
`compare_state` says for each pattern how many detections there are, and of how many the rule still holds: a detection is an
event, and stays when its rule does not hold any more. The ledger keeps it with each detection.

**When a task fails**, its error names the first differences, and its log has more of them. Nothing is mended by it. Worry when

- `check_source` says *AuditError*: the file on Drive is not the one that was landed, or the ledger's chunks were changed;
- `check_blobs` says *AuditError*: a blob was altered or deleted. Restore it from a backup. A chunk, rejected rows or
  CustomerImportance are also landed again from Drive by a rebuild, in the run after the one that notices;
- `detect_patterns` fails: the link *See Databricks Job Run* leads to its output; an altered chunk fails it as well;
- `compare_state` says *AuditError*: totals or detections in the ledger were changed. A run of the DAG transaction_patterns
  with rebuild puts what the chunks give in their place.
"""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.providers.databricks.operators.databricks import DatabricksSubmitRunOperator
from airflow.sdk import dag, task

from feeds import assets, audit_tasks
from feeds.alerts import alert_failure
from feeds.detection import DETECTION_TASK, record_failed_run, record_lost_staging
from feeds.forms import audit_params
from feeds.links import DetectionsLink, linked
from feeds.task_defaults import TASK_DEFAULTS
from feeds.task_texts import AUDIT as TEXTS


@dag(
    dag_display_name="Audit a feed",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    is_paused_upon_creation=False,  # it runs only when somebody asks for it
    max_active_runs=1,  # an audit that begins ends one that was left open
    params=audit_params(),
    default_args={**TASK_DEFAULTS, "on_failure_callback": alert_failure},
    description="Recomputes a feed from its landed chunks and compares it with the ledger, with Blob Storage and with Drive.",
    doc_md=__doc__,
    tags=["transactions", "patterns"],
)
def audit_feed() -> None:
    """Three checks of a feed, beside each other."""
    batch: Any = linked(
        task(multiple_outputs=True, **TEXTS["open_batch"])(audit_tasks.open_batch)("{{ params.feed }}"), DetectionsLink()
    )
    source = task(inlets=[assets.TRANSACTIONS, assets.CHUNKS], **TEXTS["check_source"])(audit_tasks.check_source)
    blobs = task(inlets=[assets.CHUNKS, assets.DETECTION_FILES], **TEXTS["check_blobs"])(audit_tasks.check_blobs)
    detect = DatabricksSubmitRunOperator(
        inlets=[assets.CHUNKS],
        on_failure_callback=[record_failed_run, alert_failure],
        **DETECTION_TASK,
        **TEXTS["detect_patterns"],
    )
    compare = task(
        inlets=[assets.CHUNKS, assets.STATE],
        outlets=[assets.AUDIT],
        on_retry_callback=record_lost_staging,
        on_failure_callback=[record_lost_staging, alert_failure],
        **TEXTS["compare_state"],
    )(audit_tasks.compare_state)

    source(batch["batch_id"])
    blobs(batch["batch_id"])
    batch >> detect >> compare(batch["batch_id"])


audit_feed()
