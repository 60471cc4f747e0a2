"""Rows 4 and 5: the detection job alone on the warm Spark, one chunk and all chunks in one batch."""

from __future__ import annotations

from benchmarks import lower_limit, usual_way
from benchmarks.bench import Bench, airflow_kept_off, say
from benchmarks.job import JobRun, applied, landed, opened_batch, run_job
from benchmarks.numbers import spread
from benchmarks.results import Result


def measure(bench: Bench) -> list[Result]:
    """Run both jobs in turn, and beside them the lower limit, and one chunk of the usual way."""
    with airflow_kept_off(bench):
        return _measure(bench)


def _measure(bench: Bench) -> list[Result]:
    files, label = bench.files, bench.files.label
    middle = min(30, files.chunks)
    say(f"rows 4, 5: preparing a feed with chunk {middle} next, and one with all {files.chunks} chunks waiting")
    one, all_at_once = landed(bench, files), landed(bench, files)
    applied(bench, one, middle - 1)
    batches = {"4": opened_batch(bench, one, middle), "5": opened_batch(bench, all_at_once)}
    for batch_id in batches.values():
        run_job(bench, batch_id)  # Spark compiles its code
    runs: dict[str, list[JobRun]] = {row: [] for row in batches}
    limits, usual = [], []
    with usual_way.prepared(bench, files) as way:
        for number in range(1, bench.options.repeats + 1):
            for row, batch_id in batches.items():
                runs[row].append(run_job(bench, batch_id))
            limits.append(lower_limit.detect(files.transactions, files.importance))
            usual.append(way.chunk(middle).seconds)
            shown = " and ".join(f"{runs[row][-1].seconds:.2f} s" for row in runs)
            limit = f"{limits[-1].chunk_seconds[middle]:.3f} s and {limits[-1].seconds:.2f} s"
            say(f"  run {number}: {shown}; by (a) {limit}; chunk {middle} by (b) {usual[-1]:.2f} s")
    results = [
        Result("a", "lower limit, one chunk", "s", [limit.chunk_seconds[middle] for limit in limits], label, {"chunk": middle}),
        Result("a", "lower limit, all chunks", "s", [limit.seconds for limit in limits], label),
        Result("b", "usual way, one chunk", "s", usual, label, {"chunk": middle}),
    ]
    for row, name in (("4", "job, one chunk"), ("5", "job, all chunks")):
        details = {"runs": [run.details() for run in runs[row]]}
        results.append(Result(row, name, "s", [run.seconds for run in runs[row]], label, details))
        results.append(Result(row, f"{name}: start and imports", "s", [run.start for run in runs[row]], label))
        cpu = [sum(run.cpu.values()) for run in runs[row]]
        results.append(Result(row, f"{name}: CPU of job, Spark, PostgreSQL", "s", cpu, label))
        say(f"  row {row}: {spread([run.seconds for run in runs[row]]).median:.2f} s")
    return results
