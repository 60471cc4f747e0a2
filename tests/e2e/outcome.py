"""What a run has left behind: in the ledger, and in the folder of its files."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psycopg

from local.airflow_api import AirflowApi
from local.config import Addresses
from tests.conftest import Found


def feed_of(out: Path) -> str:
    """Name of the feed that an OUT folder stands for."""
    return str(json.loads((out / ".feed.json").read_text())["feed"])


def detections(services: Addresses, feed: str) -> list[Found]:
    """Give the ledger's detections in their order."""
    query = (
        "select chunk, pattern_id, action_type, customer, merchant from ledger.detection join ledger.feed using (feed_id) "
        "where feed = %s order by ordinal"
    )
    with psycopg.connect(services.ledger_dsn) as connection:
        return connection.execute(query, [feed]).fetchall()


def files(out: Path) -> list[list[dict[str, str]]]:
    """Give the rows of every detection file of an OUT folder, in order."""
    return [
        list(csv.DictReader(path.read_text(encoding="utf-8").splitlines())) for path in sorted(out.glob("detections/*/*.csv"))
    ]


def batches(services: Addresses, feed: str) -> int:
    """Count the batches that were applied."""
    query = "select count(*) from ledger.batch join ledger.feed using (feed_id) where feed = %s and applied_at is not null"
    with psycopg.connect(services.ledger_dsn) as connection:
        row = connection.execute(query, [feed]).fetchone()
    return int(row[0]) if row else 0


def as_exported(found: list[Found]) -> list[tuple[str, str, str, str]]:
    """Give detections as the columns patternId, ActionType, customerName, MerchantId of the files."""
    return [row[1:] for row in found]


def rows(out: Path) -> list[tuple[str, ...]]:
    """Give those columns of all rows of all files."""
    names = ("patternId", "ActionType", "customerName", "MerchantId")
    return [tuple(row[name] for name in names) for file in files(out) for row in file]


def within(seconds: float, met: Callable[[], bool]) -> bool:
    """Wait until a condition is met; fail when it is not in time."""
    deadline = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.1)
    return True


def get(client: httpx.Client, path: str, **query: Any) -> Any:
    """Give what Airflow's REST API answers."""
    return client.get(path, params=query).raise_for_status().json()


def ended(api: AirflowApi, conf: dict[str, Any]) -> tuple[str, str]:
    """Trigger a run and wait for its end; give its id and state."""
    run_id = api.trigger(conf)
    deadline = time.monotonic() + 240
    while (state := api.state(run_id)) not in ("success", "failed"):
        assert time.monotonic() < deadline, state
        time.sleep(0.2)
    return run_id, state
