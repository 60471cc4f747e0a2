"""Where the time of one backfill goes: spans made of Airflow's task instances, log lines and the job's step lines.

It knows no step by name, so it stays right when the pipeline changes. What it cannot see is attributed to what surrounds it: the
time between two log lines belongs to the line that ends it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import httpx

from benchmarks.airflow_runs import FeedRun, log_lines, moment, task_instances
from benchmarks.bench import Bench
from benchmarks.steps import parse_steps, place

_SHORTEST = 0.02  # spans that are shorter are left out
_LONGEST_NAME = 60


class Span(NamedTuple):
    """A stretch of time, in seconds from the trigger. ``level`` 0: hops and tasks; 1: within a task; 2: within the job."""

    level: int
    kind: str
    name: str
    start: float
    end: float

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.end - self.start


def of(bench: Bench, run: FeedRun) -> list[Span]:
    """Give the spans from the trigger to the last detection file."""
    zero = run.triggered_at
    spans: list[Span] = []
    for dag_run in run.runs:
        tasks = [t for t in task_instances(bench, dag_run["dag_run_id"]) if t["start_date"] and t["end_date"]]
        spans += of_tasks(tasks, zero, moment(dag_run["queued_at"]))
        for task in tasks:
            spans += of_log(log_lines(bench, dag_run["dag_run_id"], task), task, zero)
    spans += _of_jobs(bench, run, zero)
    return [span for span in sorted(spans, key=lambda s: (s.start, s.level)) if span.start <= run.seconds]


def of_tasks(tasks: Sequence[dict[str, Any]], zero: datetime, queued: datetime) -> list[Span]:
    """Give each task, and before it the hop: scheduling, and the start of its process."""
    spans, last_end = [], _since(zero, queued)
    for task in sorted(tasks, key=lambda t: str(t["start_date"])):
        start, end = _since(zero, moment(task["start_date"])), _since(zero, moment(task["end_date"]))
        handed = _since(zero, moment(task["queued_when"])) if task.get("queued_when") else start
        handed = min(max(handed, last_end), start)
        spans.append(Span(0, "scheduling", f"scheduling of {task['task_id']}", last_end, handed))
        spans.append(Span(0, "task start", f"start of {task['task_id']}", handed, start))
        spans.append(Span(0, "task", task["task_id"], start, end))
        last_end = max(last_end, end)
    return [span for span in spans if span.seconds >= _SHORTEST]


def of_log(lines: Iterable[dict[str, Any]], task: dict[str, Any], zero: datetime) -> list[Span]:
    """Cut a task at its log lines; consecutive lines that differ by their numbers only are one span."""
    start, end = _since(zero, moment(task["start_date"])), _since(zero, moment(task["end_date"]))
    spans: list[Span] = []
    for line in lines:
        at, name = _since(zero, moment(line["timestamp"])), _text(str(line.get("event", "")))
        if not start <= at <= end:
            continue
        since = spans[-1].end if spans else start
        if spans and (spans[-1].name == name or at - since < _SHORTEST):
            spans[-1] = spans[-1]._replace(end=at)  # the same again, or a line that follows at once
        else:
            spans.append(Span(1, "log", name, since, at))
    if spans and end - spans[-1].end >= _SHORTEST:
        spans.append(Span(1, "log", "(end of the task)", spans[-1].end, end))
    return spans


def of_job(lines: Iterable[str], start: float, end: float) -> list[Span]:
    """Lay a job's steps so that they end where it ends; what is before them is process start and imports."""
    placed = place(parse_steps(lines))
    length = max((step.end for step in placed), default=0.0)
    first = max(start, end - length)
    spans = [Span(2, "job start", "process start and imports", start, first)]
    finest = [step for step in placed if step.depth == 0]
    spans += [Span(2, "job", step.name, first + step.start, first + step.end) for step in finest]
    return [span for span in spans if span.seconds >= _SHORTEST]


def totals(spans: Iterable[Span]) -> list[tuple[str, float]]:
    """Sum the spans of the same kind and name, the longest first: for the table."""
    sums: dict[str, float] = {}
    for span in spans:
        name = {"scheduling": "Airflow: scheduling", "task start": "Airflow: start of the tasks' processes"}.get(
            span.kind, span.name
        )
        sums[name] = sums.get(name, 0.0) + span.seconds
    return sorted(sums.items(), key=lambda item: -item[1])


def _of_jobs(bench: Bench, run: FeedRun, zero: datetime) -> list[Span]:
    headers = {"Authorization": f"Bearer {bench.addresses.databricks_token}"}
    spans: list[Span] = []
    with httpx.Client(base_url=bench.addresses.databricks_url, headers=headers, trust_env=False, timeout=30) as client:
        known = client.get("/api/2.2/jobs/runs/list", params={"limit": 25}).raise_for_status().json().get("runs", [])
        for job in known:
            if f" {run.feed} " not in job.get("run_name", ""):
                continue
            query = {"run_id": _task_run(job)}
            output = client.get("/api/2.2/jobs/runs/get-output", params=query).raise_for_status().json()
            start, end = (job[name] / 1000 - zero.timestamp() for name in ("start_time", "end_time"))
            spans += of_job((output.get("logs") or "").splitlines(), start, end)
    return spans


def _task_run(job: dict[str, Any]) -> int:
    tasks = job.get("tasks") or [job]
    return int(tasks[0].get("run_id", job["run_id"]))


def _text(event: str) -> str:
    line = re.sub(r"\d[\d,.]*", "N", event.strip().splitlines()[0] if event.strip() else "")
    return line if len(line) <= _LONGEST_NAME else f"{line[:_LONGEST_NAME]}..."


def _since(zero: datetime, at: datetime) -> float:
    return (at - zero).total_seconds()
