"""What the page says of a feed, from rows of the ledger."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from feed_page import figures
from feed_page.chunks import _square
from feed_page.overview import Overview, chunks_due, known_chunks, overview
from feed_page.rendering import duration, query

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
FEED = {
    "feed": "bank", "landed": 20, "applied": 15, "landed_to_end": False, "source_size": 5_000_000, "position": 2_000_000,
    "bytes_per_row": 100.0, "chunk_size": 1000, "due": 23, "followed": True, "failures": 0, "interval_seconds": 1,
    "started_at": NOW - timedelta(seconds=22),
}  # fmt: skip
PROGRESS = {"detections": 60, "reserved": 50, "files": 1, "unconfirmed": 0}


def _overview(feed: dict[str, Any] | None = None, batch: dict[str, Any] | None = None, **progress: Any) -> Overview:
    return overview(FEED | (feed or {}), PROGRESS | progress, batch, NOW - timedelta(seconds=7), NOW)


def test_a_running_feed() -> None:
    found = _overview()
    assert (found.landed, found.applied, found.known, found.is_estimate) == (20, 15, 50, True)
    assert (found.lag_chunks, found.lag_seconds, found.state) == (8, 7, "running")
    assert (found.detections, found.in_files, found.files) == (60, 50, 1)


def test_a_feed_is_done_when_every_detection_has_a_file() -> None:
    ended = {"landed_to_end": True, "applied": 20, "due": 900}
    assert _overview(ended, reserved=60).state == "done"
    assert _overview(ended, reserved=60, unconfirmed=1).state == "running"
    assert _overview(ended, reserved=50).state == "running"
    assert _overview(ended | {"applied": 19}, reserved=60).lag_chunks == 1
    assert (_overview(ended, reserved=60).known, _overview(ended).is_estimate) == (20, False)


def test_a_feed_that_nobody_carries_on_is_waiting() -> None:
    left = {"followed": False, "due": None, "applied": 20}
    assert (_overview(left).state, _overview(left).lag_chunks) == ("waiting", 0)
    assert _overview(left, batch={"last_error": None}).state == "running"


def test_a_failing_feed_says_why() -> None:
    found = _overview({"failures": 2}, {"last_error": "chunk 7: 4 % of its rows are rejected"})
    assert (found.state, found.reason, found.failures) == ("failing", "chunk 7: 4 % of its rows are rejected", 2)


@pytest.mark.parametrize(
    ("changed", "due"),
    [
        ({}, 23),
        ({"due": 400}, 50),  # never more than the source has
        ({"due": None}, 50),  # without a pace all of it is
        ({"due": None, "followed": False}, 20),
        ({"due": 400, "landed_to_end": True}, 20),
    ],
)
def test_how_many_chunks_are_due(changed: dict[str, Any], due: int) -> None:
    assert chunks_due(FEED | changed, 50) == due


def test_nothing_has_landed_yet() -> None:
    assert known_chunks(FEED | {"landed": 0, "bytes_per_row": None}) == (1, True)


def test_pace_has_the_ideal_line() -> None:
    points = [{"chunk": n, "landed_at": NOW + timedelta(seconds=n), "applied_at": NOW if n < 3 else None} for n in range(1, 6)]
    landed, applied, due = figures.pace(FEED, points)["data"]
    assert landed["y"] == [1, 2, 3, 4, 5]
    assert applied["y"] == [2], "two chunks that one batch applied are one step"
    assert (due["y"], due["x"]) == ([1, 5], ["2026-11-26T11:59:38+00:00", "2026-11-26T11:59:42+00:00"])
    assert len(figures.pace(FEED | {"interval_seconds": 0}, points)["data"]) == 2


def test_found_is_cumulative_and_goes_to_the_last_applied_chunk() -> None:
    rows = [{"pattern_id": "PatId2", "stretch": 1, "found": 3}, {"pattern_id": "PatId2", "stretch": 3, "found": 4}]
    lines = {trace["name"]: trace for trace in figures.found(rows, 2, 9)["data"]}
    assert lines["PatId2"]["x"] == [0, 4, 8, 9]
    assert lines["PatId2"]["y"] == [0, 3, 7, 7]
    assert lines["PatId1"]["y"] == [0, 0]
    assert figures.totals(rows) == {"PatId2": 7}


def test_the_parts_of_a_batch_are_its_time() -> None:
    batch = {f"{name}_at": NOW + timedelta(seconds=second) for second, name in enumerate(
        ["first_landed", "last_landed", "opened", "staged", "applied", "exported"]
    )} | {"first_chunk": 3, "last_chunk": 5}  # fmt: skip
    assert figures.batch_parts(batch) == dict.fromkeys(figures.PARTS, 1.0)
    assert figures.batch_parts(batch | {"staged_at": None})["detecting"] is None
    assert [trace["x"] for trace in figures.batches([batch])["data"]] == [["3-5"]] * 5


@pytest.mark.parametrize(("chunks", "step"), [(0, 1), (60, 1), (400, 1), (401, 2), (10_000, 25)])
def test_a_line_has_at_most_some_hundred_points(chunks: int, step: int) -> None:
    assert figures.stretch_length(chunks) == step


def test_what_a_square_is() -> None:
    row = {"applied_at": None, "applied_by": None, "landed_by": "run-1"}
    batch = {"purpose": "apply", "first_chunk": 3, "last_chunk": 5, "last_error": "no", "run_id": "run-2"}
    assert _square(9, None, batch, 9).state == "due"
    assert _square(9, None, batch, 8).state == "known"
    assert (_square(2, row, batch, 8).state, _square(2, row, batch, 8).run_id) == ("landed", "run-1")
    assert (_square(4, row, batch, 8).state, _square(4, row, batch, 8).run_id) == ("failed", "run-2")
    assert _square(4, row, batch | {"last_error": None}, 8).state == "landed"
    applied = row | {"applied_at": NOW, "applied_by": "run-3"}
    assert (_square(1, applied, None, 8).state, _square(1, applied, None, 8).run_id) == ("applied", "run-3")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (59, "59 s"), (60, "1 min"), (185, "3 min 5 s"), (7800, "2 h 10 min"), (273600, "3 d 4 h")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_an_address_leaves_out_what_is_empty_and_escapes_the_rest() -> None:
    assert query(feed="a", merchant="", pattern=None, customer="M&=<1>") == "?feed=a&customer=M%26%3D%3C1%3E"
    assert query(feed=None) == ""
