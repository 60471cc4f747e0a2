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
    """Run the feed at its pace, some times."""
    runs = []
    for number in range(1, bench.options.repeats + 1):
        say(f"rows 1, 2: paced run {number} of {bench.options.repeats}, {bench.files.chunks} chunks, {_INTERVAL:g} s each")
        runs.append(_freshness(bench, process(bench, bench.files, _INTERVAL)))
        shown = {name: round(values, 2) for name, values in runs[-1]["figures"].items()}
        say(f"  {shown}, {runs[-1]['batches']} batches")
    details = {name: [run[name] for run in runs] for name in ("chunks", "files", "batches")}
    return [
        Result(row, measure, unit, [run["figures"][measure] for run in runs], bench.files.label, details if first else {})
        for first, row, measure, unit in (
            (True, "1", "freshness p50", "s"),
            (False, "1", "freshness p95", "s"),
            (False, "1", "freshness slope", "s/chunk"),
            (False, "1", "full file after its chunk", "s"),
            (False, "2", "last file after last chunk", "s"),
        )
    ]


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
