"""Reading a job's output, and laying a run out in time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks.steps import Placed, Step, parse_steps, place
from benchmarks.trace import Span, of_job, of_log, of_tasks, totals

ZERO = datetime(2026, 11, 25, tzinfo=UTC)


def at(seconds: float) -> str:
    return (ZERO + timedelta(seconds=seconds)).isoformat()


def test_step_lines_are_found_among_others() -> None:
    lines = [
        "feed a, batch 1, chunks 1 to 2, staging x",
        "session: 0.21 s",
        "rows counted: 1.00 s, 20 transactions, 2 more",
        "WARN x: y s",
    ]
    assert parse_steps(lines) == [Step("session", 0.21, ""), Step("rows counted", 1.0, "20 transactions, 2 more")]


def test_a_step_as_long_as_those_before_it_contains_them() -> None:
    steps = [Step("session", 0.5, ""), Step("read", 1.0, ""), Step("write", 2.0, ""), Step("all", 3.02, "")]
    assert place(steps) == [
        Placed("session", 0, 0.5, 0),
        Placed("read", 0.5, 1.5, 0),
        Placed("write", 1.5, 3.5, 0),
        Placed("all", 0.5, 3.52, 1),
    ]


def test_a_step_that_happens_to_be_as_long_as_those_before_it_stands_behind_them() -> None:
    steps = [Step("staged", 0.18, ""), Step("read", 0.15, ""), Step("detected", 0.35, ""), Step("complete", 0.09, "")]
    placed = place([*steps, Step("all", 0.77, "")])
    assert [(step.name, step.depth) for step in placed] == [
        ("staged", 0), ("read", 0), ("detected", 0), ("complete", 0), ("all", 1),
    ]  # fmt: skip
    assert [round(step.start, 2) for step in placed] == [0, 0.18, 0.33, 0.68, 0]


def test_a_jobs_steps_end_where_it_ends() -> None:
    spans = of_job(["read: 1.00 s", "write: 2.00 s"], 10.0, 15.0)
    assert spans == [
        Span(2, "job start", "process start and imports", 10, 12),
        Span(2, "job", "read", 12, 13),
        Span(2, "job", "write", 13, 15),
    ]


def task(name: str, queued: float, start: float, end: float) -> dict[str, Any]:
    return {"task_id": name, "queued_when": at(queued), "start_date": at(start), "end_date": at(end)}


def test_hops_lie_between_the_tasks() -> None:
    spans = of_tasks([task("b", 3.5, 4, 6), task("a", 0.5, 1, 3)], ZERO, ZERO)
    assert [(s.kind, s.start, s.end) for s in spans] == [
        ("scheduling", 0, 0.5), ("task start", 0.5, 1), ("task", 1, 3),
        ("scheduling", 3, 3.5), ("task start", 3.5, 4), ("task", 4, 6),
    ]  # fmt: skip
    assert dict(totals(spans)) == {"Airflow: scheduling": 1, "Airflow: start of the tasks' processes": 1, "a": 2, "b": 2}


def test_a_task_is_cut_at_its_log_lines() -> None:
    events = ((0.5, "before it"), (1.5, "Pinned"), (2.0, "Landed chunk 1: rows 10,000"), (2.5, "Landed chunk 2: rows 10,000"))
    lines = [{"timestamp": at(seconds), "event": event} for seconds, event in events]
    assert of_log(lines, task("a", 0, 1, 4), ZERO) == [
        Span(1, "log", "Pinned", 1, 1.5),
        Span(1, "log", "Landed chunk N: rows N", 1.5, 2.5),
        Span(1, "log", "(end of the task)", 2.5, 4),
    ]
