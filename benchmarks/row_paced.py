"""Rows 1 and 2: how fresh detections are, on a feed at one chunk a second."""

from __future__ import annotations

from typing import Any

from benchmarks.airflow_runs import FeedRun, process
from benchmarks.bench import Bench, say
from benchmarks.numbers import percentile, slope
from benchmarks.results import Result
from benchmarks.statements import rows

_INTERVAL = 1.0


def measure(bench: Bench) -> list[Result]:
    """Run the feed at its pace, some times; before that once more, which is told apart: Java has yet to compile."""
    say(f"rows 1, 2: {bench.options.repeats + 1} paced runs, {bench.files.chunks} chunks, {_INTERVAL:g} s each")
    cold, *runs = [_paced(bench) for _ in range(bench.options.repeats + 1)]
    details = {name: [run[name] for run in runs] for name in ("chunks", "files", "batches")}
    found = [
        Result(row, measure, unit, [run["figures"][measure] for run in runs], bench.files.label, details if first else {})
        for first, row, measure, unit in (
            (True, "1", "freshness p50", "s"),
            (False, "1", "freshness p95", "s"),
            (False, "1", "freshness slope", "s/chunk"),
            (False, "1", "full file after its chunk", "s"),
            (False, "2", "last file after last chunk", "s"),
        )
    ]
    return [Result("1", "freshness p50, first run", "s", [cold["figures"]["freshness p50"]], bench.files.label), *found]


def _paced(bench: Bench) -> dict[str, Any]:
    run = _freshness(bench, process(bench, bench.files, _INTERVAL))
    shown = {name: round(value, 2) for name, value in run["figures"].items()}
    say(f"  {shown}, {run['batches']} batches")
    return run


def _freshness(bench: Bench, run: FeedRun) -> dict[str, Any]:
    chunks = rows(bench.connection, "select_chunk_freshness", feed_id=run.feed_id)
    files = rows(bench.connection, "select_file_freshness", feed_id=run.feed_id)
    applied = [chunk["applied"] for chunk in chunks]
    last_due = (len(chunks) - 1) * _INTERVAL
    ended = (run.last_file_at - run.progress["started_at"]).total_seconds()
    figures = {
        "freshness p50": percentile(applied, 50),
        "freshness p95": percentile(applied, 95),
        "freshness slope": slope([chunk["chunk"] for chunk in chunks], applied),
        "full file after its chunk": max((file["uploaded"] for file in files if file["is_full"]), default=0.0),
        "last file after last chunk": ended - last_due,
    }
    landed = [[c["chunk"], round(c["landed"], 3), round(c["applied"], 3)] for c in chunks]
    (batches,) = rows(bench.connection, "count_batches", feed_id=run.feed_id)
    shown = [[f["file_number"], f["is_full"], f["chunk"], round(f["uploaded"], 3)] for f in files]
    return {"figures": figures, "chunks": landed, "files": shown, "batches": batches["batches"]}
