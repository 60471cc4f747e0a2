"""`make run` in a real Airflow: scheduler, triggerer, workers, every service."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from local.run import RunError, RunRequest, run
from local.stack import Stack
from tests import reference
from tests.conftest import RULES, expected
from tests.e2e.outcome import as_exported, batches, detections, feed_of, files, rows

Files = tuple[Path, Path]


def request(small: Files, out: Path, first: int | None = None, last: int | None = None, **settings: Any) -> RunRequest:
    return RunRequest(*small, out, RULES | {"interval_seconds": 0} | settings, first, last)


def test_all_at_once_and_a_second_run_adds_nothing(airflow: Stack, small: Files, tmp_path: Path) -> None:
    out = tmp_path / "at-once"
    run(request(small, out), airflow)
    found = expected(*small, RULES)
    feed = feed_of(out)
    assert detections(airflow.addresses, feed) == found
    assert rows(out) == as_exported(found)
    assert all(len(file) == RULES["detections_per_file"] for file in files(out)[:-1])
    before = {path: path.read_bytes() for path in out.rglob("*.csv")}
    run(request(small, out), airflow)
    assert {path: path.read_bytes() for path in out.rglob("*.csv")} == before
    assert detections(airflow.addresses, feed) == found


def test_at_a_pace_scheduled_runs_carry_the_feed_on(airflow: Stack, small: Files, tmp_path: Path) -> None:
    out = tmp_path / "paced"
    run(request(small, out, interval_seconds=4), airflow)
    found = expected(*small, RULES)
    assert detections(airflow.addresses, feed_of(out)) == found
    assert rows(out) == as_exported(found)
    assert batches(airflow.addresses, feed_of(out)) > 1
    starts = {row["YStartTime"] for file in files(out) for row in file}
    assert len(starts) == 1
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+05:30", starts.pop())


def test_ranges_carry_the_feed_on(airflow: Stack, small: Files, tmp_path: Path) -> None:
    out = tmp_path / "ranges"
    run(request(small, out, last=2), airflow)
    feed, found = feed_of(out), expected(*small, RULES)
    assert detections(airflow.addresses, feed) == [row for row in found if row[0] <= 2]
    run(request(small, out, first=3), airflow)
    assert detections(airflow.addresses, feed) == found
    assert batches(airflow.addresses, feed) == 2
    assert rows(out) == as_exported(found)


def test_a_file_that_has_grown_goes_on_behind_its_short_last_chunk(airflow: Stack, small: Files, tmp_path: Path) -> None:
    growing, out = tmp_path / "growing.csv", tmp_path / "grows"
    lines = small[0].read_bytes().splitlines(keepends=True)
    growing.write_bytes(b"".join(lines[:1_251]))
    run(request((growing, small[1]), out), airflow)
    before = {path: path.read_bytes() for path in out.rglob("*.csv")}
    growing.write_bytes(b"".join(lines))
    run(request((growing, small[1]), out), airflow)
    found = reference.detect(growing, small[1], RULES, sizes=[500, 500, 250])
    expected_rows = [(d.chunk, d.pattern_id, d.action_type, d.customer, d.merchant) for d in found]
    assert detections(airflow.addresses, feed_of(out)) == expected_rows
    assert rows(out) == as_exported(expected_rows)
    assert {path: path.read_bytes() for path in before} == before


def test_the_reason_of_a_failure_is_reported(airflow: Stack, small: Files, tmp_path: Path) -> None:
    broken = tmp_path / "broken.csv"
    broken.write_text("step,customer\n1,C1\n")
    with pytest.raises(RunError, match=r"land_chunks: transactions\.csv: the header lacks age, gender"):
        run(request((broken, small[1]), tmp_path / "broken"), airflow)
    with pytest.raises(RunError, match="chunks 1 to 4 must land before chunk 5"):
        run(request(small, tmp_path / "gap", first=5, last=6), airflow)
