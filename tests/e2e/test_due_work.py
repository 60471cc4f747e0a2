"""What starts the runs that nobody triggers: work that is due, and a run that leaves some behind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from local.airflow_api import AirflowApi
from local.airflow_service import DAG_ID
from local.postgres import apply_ledger_schema
from local.run import RunRequest, run
from local.stack import Stack
from tests.conftest import RULES, drop_ledger
from tests.e2e.outcome import feed_of, get, within

SECONDS = 120


@pytest.fixture
def client(airflow: Stack) -> Iterator[httpx.Client]:
    with airflow.airflow_client() as client:
        AirflowApi(client).unpause()
        yield client


def runs(client: httpx.Client, **query: Any) -> list[dict[str, Any]]:
    """Give runs of the DAG, the oldest first."""
    return list(get(client, f"/dags/{DAG_ID}/dagRuns", order_by="run_after", limit=100, **query)["dag_runs"])


def nothing_runs(client: httpx.Client) -> bool:
    """Say whether no run is queued or running."""
    return not runs(client, state=["queued", "running"])


def events(client: httpx.Client) -> list[dict[str, Any]]:
    """Give the events of work that is due, the newest first."""
    (asset,) = get(client, "/assets", name_pattern="Work that is due")["assets"]
    answers: list[httpx.Response] = []

    def answered() -> bool:
        query = {"asset_id": asset["id"], "order_by": "-timestamp", "limit": 50}
        answers.append(client.get("/assets/events", params=query))
        return answers[-1].is_success

    within(SECONDS, answered)  # Airflow 3.3 fails to tell of an event whose run is queued: its answer has no such start_date
    return list(answers[-1].json()["asset_events"])


def execute(airflow: Stack, statement: str, *values: str) -> None:
    with psycopg.connect(airflow.addresses.ledger_dsn) as connection:
        connection.execute(statement, values)


def test_nothing_runs_while_nothing_is_due_and_work_starts_a_run(
    airflow: Stack, client: httpx.Client, small: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "due"
    within(SECONDS, lambda: nothing_runs(client))
    apply_ledger_schema(airflow.addresses)
    # Those of other tests would take turns with this one.
    execute(airflow, "update ledger.feed set followed = false, failures = 5")
    since = datetime.now(UTC)
    run(RunRequest(*small, out, RULES | {"interval_seconds": 0}), airflow)
    within(SECONDS, lambda: nothing_runs(client))
    feed = feed_of(out)
    before = runs(client, run_after_gte=since.isoformat())
    assert [each["run_type"] for each in before] == ["manual"], "it left nothing behind, so no other followed"

    execute(airflow, "update ledger.feed set followed = true, checked_at = now() - interval '11 minutes' where feed = %s", feed)
    within(SECONDS, lambda: len(runs(client, run_after_gte=since.isoformat(), state=["success"])) == 2)
    started = runs(client, run_after_gte=since.isoformat())[-1]
    assert started["run_type"] == "asset_triggered"
    assert started["note"] == f"feed {feed}"
    # More than one if the first was no run within due_feed.STARTS_SECONDS: what is still due is published again.
    starting = [each["extra"] for each in events(client) if started["dag_run_id"] in json.dumps(each["created_dagruns"])]
    assert starting
    assert all(each == {"from_trigger": True, "payload": {"feed": feed}} for each in starting)
    assert nothing_runs(client)


def test_a_run_that_leaves_work_behind_starts_the_next(
    airflow: Stack, client: httpx.Client, small: tuple[Path, Path], tmp_path: Path
) -> None:
    out, since = tmp_path / "behind", datetime.now(UTC)
    run(RunRequest(*small, out, RULES | {"interval_seconds": 1}), airflow)
    within(SECONDS, lambda: nothing_runs(client))
    feed = feed_of(out)
    published = [event for event in events(client) if event["extra"] == {"feed": feed}]
    assert published
    assert {event["source_task_id"] for event in published} == {"export_detections"}
    started = [run["run_id"] for event in published for run in event["created_dagruns"]]
    assert started, "each but the newest, which may have met a run that was there already"
    assert len([event for event in published if not event["created_dagruns"]]) <= 1
    types = {run["dag_run_id"]: run["run_type"] for run in runs(client, run_after_gte=since.isoformat())}
    assert {types[run_id] for run_id in started} == {"asset_triggered"}


def test_a_ledger_without_its_schema_gets_it_from_a_run_that_nobody_triggers(airflow: Stack, client: httpx.Client) -> None:
    within(SECONDS, lambda: nothing_runs(client))
    since = datetime.now(UTC)
    drop_ledger(airflow.addresses)
    within(SECONDS, lambda: bool(runs(client, run_after_gte=since.isoformat(), state=["success"])))
    assert [each["note"] for each in runs(client, run_after_gte=since.isoformat())] == ["nothing was due"]
    execute(airflow, "select from ledger.feed")
