"""Row 3: the whole feed at once, from trigger to last detection file; and where the time of one such run goes."""

from __future__ import annotations

from benchmarks import lower_limit, trace, usual_way
from benchmarks.airflow_runs import process
from benchmarks.bench import Bench, say
from benchmarks.results import Result


def measure(bench: Bench) -> list[Result]:
    """Run the feed some times in turn with the lower limit and the usual way; a first run, not counted, warms the stack."""
    files, label = bench.files, bench.files.label
    say(f"row 3: {files.chunks} chunks at once, a run to warm up")
    process(bench, files, 0)
    ours, limits, usual = [], [], []
    spans: list[trace.Span] = []
    with usual_way.prepared(bench, files) as way:
        for number in range(1, bench.options.repeats + 1):
            run = process(bench, files, 0)
            ours.append(run.seconds)
            spans = trace.of(bench, run)
            limits.append(lower_limit.detect(files.transactions, files.importance))
            usual.append(way.every(usual_way.STRIDE))
            say(f"  run {number}: {run.seconds:.1f} s; (a) {limits[-1].seconds:.2f} s; (b) {usual[-1].total(files.chunks):.0f} s")
    lower_limit.refuse_other_detections(limits[-1], files)
    return [
        Result("3", "backfill", "s", ours, label, {"trace": [list(span) for span in spans]}),
        Result(
            "a", "lower limit, all chunks", "s", [limit.seconds for limit in limits], label,
            {"reading": [limit.reading for limit in limits]},
        ),
        Result(
            "b", "usual way, all chunks", "s", [curve.total(files.chunks) for curve in usual], label,
            {"chunks": usual[-1].chunks, "seconds": [curve.seconds for curve in usual], "parts": [c.parts for c in usual]},
        ),
    ]  # fmt: skip
