"""What the pipeline reads and makes, as Airflow shows it in its asset graph: from the files on Drive to the detection files.

One name and URI each for all DAGs: two definitions that differ would make Airflow refuse the tasks. A URI is the connection and
what lies behind it, the same whatever account the connection leads to. Of a scheme that begins with ``x-`` Airflow asks no
provider how to read it, which would take most of a second in each process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, AssetAlias, AssetWatcher

from feeds.due_feed import DueFeedTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context

GROUP = "transaction-patterns"

TRANSACTIONS = Asset("Transactions on Drive", "x-drive://transactions", group=GROUP)
IMPORTANCE = Asset("CustomerImportance on Drive", "x-drive://importance", group=GROUP)
CHUNKS = Asset("Landed chunks", "x-blob://chunks", group=GROUP)
STATE = Asset("State and detections", "x-ledger://state", group=GROUP)
DETECTION_FILES = Asset("Detection files", "x-blob://detections", group=GROUP)
AUDIT = Asset("Audited state", "x-ledger://audit", group=GROUP)
WORK = Asset(
    "Work that is due", "x-ledger://work", group=GROUP,
    watchers=[AssetWatcher("due_feed", trigger=DueFeedTrigger("transaction_patterns"))],
)  # fmt: skip
"""What scheduled runs start on: its watcher publishes an event when there is some and nobody is at it."""

MORE_WORK = AssetAlias("More work", group=GROUP)
"""By which a run publishes an event of ``WORK`` itself when it leaves some behind: the next run follows at once."""


def describe(context: Context, asset: Asset, **facts: Any) -> None:
    """Say in the event that a task publishes of an asset what is new of it."""
    context["outlet_events"][asset].extra.update(facts)


def describe_commit(context: Context) -> None:
    """Say which chunks go into the state: what ``commit_batch`` does before its statement."""
    landed = context["ti"].xcom_pull(task_ids="land_chunks")
    describe(context, STATE, **{name: landed[name] for name in ("feed", "first_chunk", "last_chunk")})
