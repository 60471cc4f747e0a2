"""The real BankSim file, a chunk a batch: what 60 jobs find one after the other is what the reference finds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from feeds.blobs import Blobs
from feeds.drive import DriveHook
from local.config import Addresses
from tests import reference
from tests.banksim import NOT_HERE, banksim
from tests.conftest import FeedFiles
from tests.integration.pipeline import Pipeline


@pytest.mark.timeout(1200)
def test_the_real_file_a_chunk_a_batch(
    spark_services: Addresses,
    connection: psycopg.Connection[Any],
    drive: DriveHook,
    blobs: Blobs,
    make_feed: Callable[..., FeedFiles],
    tmp_path: Path,
) -> None:
    found_here = banksim(tmp_path)
    if found_here is None:
        pytest.skip(NOT_HERE)
    transactions, importance = found_here
    pipeline = Pipeline(spark_services, connection, drive, blobs)
    feed = make_feed("banksim", transactions.read_bytes(), importance.read_bytes())
    httpx.post(f"{spark_services.drive_url}/standin/served/reset").raise_for_status()
    for chunk in range(1, 61):
        pipeline.run(feed, last=chunk)
    evidence = reference.detect_with_evidence(transactions, importance)
    found = [tuple(detection) for detection in evidence]
    assert pipeline.detections("banksim") == found
    assert pipeline.evidence("banksim") == evidence
    assert [row for file in pipeline.exported("banksim") for row in file] == [row[1:] for row in found]
    served = httpx.get(f"{spark_services.drive_url}/standin/served").json()
    read = sum(entry["bytes"] for entry in served.values() if entry["name"] == "transactions.csv")
    assert read <= 1.05 * transactions.stat().st_size
