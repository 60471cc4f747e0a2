"""Row 7: whether a batch of one chunk costs more late in a feed than early in it."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.bench import Bench, airflow_kept_off, say
from benchmarks.feeds import Files
from benchmarks.job import JobRun, applied, commit, landed, opened_batch, run_job
from benchmarks.numbers import spread
from benchmarks.results import Result

EARLY = 5
RANKED = 20
"""By this chunk BankSim's biggest merchant has its 50,000 transactions: PatId1 is at work, as it is ever after."""

_WARM = 6
"""Rounds that are not counted on BankSim. With one, chunk 59 took 1.87 s beside chunk 5, and 1.55 s beside chunk 20 a minute
later (9385290): Java had yet to compile what only a late chunk needs."""


def measure(bench: Bench) -> list[Result]:
    """Compare the last full chunk of the usual feed with chunk 5, and with one from which on all rules are at work, in turn."""
    files = bench.files
    late = files.chunks - 1 if files.rows % 10_000 else files.chunks
    with airflow_kept_off(bench):
        say(f"row 7: preparing feeds with chunks {EARLY}, {RANKED} and {late} next")
        batches = {chunk: _waiting(bench, files, chunk) for chunk in (EARLY, RANKED, late)}
        found = compared(bench, {chunk: batches[chunk] for chunk in (EARLY, late)}, "growth", files, _WARM)
        since = f"growth since chunk {RANKED}"
        return found + compared(bench, {chunk: batches[chunk] for chunk in (RANKED, late)}, since, files, _WARM)


def compared(bench: Bench, batches: dict[int, int], measure: str, files: Files, warm: int = 1) -> list[Result]:
    """Run the jobs of two open batches in turn, each with its commit rolled back; the first ``warm`` of each are not counted.

    Each is the first of every second turn: what the one leaves behind, such as rows rolled back, the other finds.
    """
    (early, first), (late, second) = sorted(batches.items())
    seconds: dict[int, list[float]] = {early: [], late: []}
    details: list[dict[str, object]] = []
    for number in range(bench.options.repeats + warm):
        for chunk, batch_id in ((early, first), (late, second))[:: 1 if number % 2 else -1]:
            run, commit_seconds = _cost(bench, batch_id)
            if number >= warm:
                seconds[chunk].append(run.seconds + commit_seconds)
                details.append({"chunk": chunk, "commit": commit_seconds, **run.details()})
    ratio = spread(seconds[late]).median / spread(seconds[early]).median
    say(f"  chunk {late} against {early}: {ratio:.2f}")
    return grown("7", measure, files.label, seconds, {"runs": details})


def grown(row: str, measure: str, feed: str, seconds: Mapping[int, list[float]], details: Mapping[str, object]) -> list[Result]:
    """Give by how much the seconds of two chunks differ, run by run, and the seconds of each."""
    early, late = sorted(seconds)
    ratios = [after / before for before, after in zip(seconds[early], seconds[late], strict=True)]
    return [
        Result(row, measure, "x", ratios, feed, {"chunks": [early, late], **details}),
        Result(row, f"{measure}: early chunk", "s", seconds[early], feed, {"chunk": early}),
        Result(row, f"{measure}: late chunk", "s", seconds[late], feed, {"chunk": late}),
    ]


def _cost(bench: Bench, batch_id: int) -> tuple[JobRun, float]:
    run = run_job(bench, batch_id)
    return run, commit(bench, batch_id, keep=False)


def _waiting(bench: Bench, files: Files, chunk: int) -> int:
    """Land and apply a new feed up to the chunk before, and open a batch of the chunk."""
    feed = landed(bench, files, chunk)
    applied(bench, feed, chunk - 1)
    return opened_batch(bench, feed, chunk)
