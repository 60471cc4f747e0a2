"""The pictures of docs/benchmarks.md, as SVG."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.numbers import spread
from benchmarks.targets import Entry, latest
from benchmarks.trace import Span

PICTURES = (
    ("bench-freshness.svg", "Freshness of each chunk", ("freshness p50",)),
    ("bench-trace.svg", "Where the time of a backfill goes", ("backfill",)),
    ("bench-job.svg", "Steps of the detection job", ("job, one chunk", "job, all chunks")),
    ("bench-usual.svg", "Growth of the usual way", ("usual way, all chunks",)),
)
"""File, title, and the results that it is drawn from."""

_COLOURS = {
    "scheduling": "#c44e52", "task start": "#dd8452", "task": "#4c72b0",
    "log": "#8da7d0", "job start": "#dd8452", "job": "#55a868",
}  # fmt: skip
_LABELLED = 0.04  # a bar shorter than this share of the picture has no room for its name
_LETTERS = 7  # of a label, for a bar of that length


def draw(entries: list[Entry], folder: Path) -> None:
    """Draw every picture that there are results for."""
    import matplotlib as mpl

    mpl.use("svg")
    # The same figures give the same bytes.
    mpl.rcParams.update({"svg.hashsalt": "bench", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    folder.mkdir(parents=True, exist_ok=True)
    drawers: tuple[Callable[[Any, list[Entry]], None], ...] = (_freshness, _trace, _job, _usual)
    for (file, title, measures), drawer in zip(PICTURES, drawers, strict=True):
        if any(latest(entries, measure) for measure in measures):
            _save(folder / file, title, entries, drawer)


def _save(path: Path, title: str, entries: list[Entry], drawer: Callable[[Any, list[Entry]], None]) -> None:
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(11, 4.5))
    drawer(axes, entries)
    axes.set_title(title)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def _freshness(axes: Any, entries: list[Entry]) -> None:
    entry = latest(entries, "freshness p50") or {}
    for number, chunks in enumerate(entry["details"]["chunks"], start=1):
        numbers = [chunk for chunk, _, _ in chunks]
        (line,) = axes.plot(numbers, [applied for _, _, applied in chunks], label=f"committed, run {number}")
        axes.plot(numbers, [landed for _, landed, _ in chunks], ":", color=line.get_color(), label=f"landed, run {number}")
    axes.axhline(7, color="grey", linewidth=0.7)
    axes.axhline(12, color="grey", linewidth=0.7, linestyle="--")
    axes.set(xlabel="chunk", ylabel="seconds after it came due", ylim=(0, None))
    axes.legend(ncols=3)


def _trace(axes: Any, entries: list[Entry]) -> None:
    entry = latest(entries, "backfill") or {}
    spans = [Span(*span) for span in entry["details"]["trace"]]
    end = max(span.end for span in spans)
    for span in spans:
        colour = _COLOURS[span.kind]
        axes.barh(-span.level, span.seconds, left=span.start, height=0.9, color=colour, edgecolor="white", linewidth=0.4)
        _label(axes, -span.level, span.name, span.start, span.seconds / end)
    axes.set_yticks([0, -1, -2], ["hops and tasks", "within tasks\n(log lines)", "within the job\n(steps)"])
    axes.set_xlabel(
        f"seconds since the trigger (red: scheduling, orange: process start; last file at {entry['values'][-1]:.1f} s)"
    )


def _job(axes: Any, entries: list[Entry]) -> None:
    runs = {}
    for measure in ("job, one chunk", "job, all chunks"):
        if entry := latest(entries, measure):
            by_seconds = sorted(entry["details"]["runs"], key=lambda run: run["seconds"])
            runs[measure] = by_seconds[len(by_seconds) // 2]
    whole = max(run["seconds"] for run in runs.values())
    for place, run in enumerate(runs.values()):
        _bars(axes, place, run, whole)
    axes.set_yticks(range(len(runs)), list(runs))
    axes.set_xlabel("seconds since the start of the process, of the run in the middle; the same colour is the same step")


def _bars(axes: Any, place: int, run: dict[str, Any], whole: float) -> None:
    from benchmarks.steps import Step
    from benchmarks.steps import place as laid

    bars = [("start and imports", 0.0, run["start"])]
    steps = laid(Step(name, seconds, "") for name, seconds in run["steps"])
    bars += [(step.name, run["start"] + step.start, run["start"] + step.end) for step in steps if step.depth == 0]
    for number, (name, start, end) in enumerate(bars):
        axes.barh(place, end - start, left=start, height=0.6, color=f"C{number % 10}", edgecolor="white")
        _label(axes, place, name, start, (end - start) / whole)


def _label(axes: Any, place: float, name: str, start: float, share: float) -> None:
    """Write as much of a name into a bar as there is room for: the bar takes this share of the picture."""
    if share >= _LABELLED:
        axes.text(start, place, f" {name[: int(_LETTERS * share / _LABELLED)]}", fontsize=6, va="center", clip_on=True)


def _usual(axes: Any, entries: list[Entry]) -> None:
    usual = latest(entries, "usual way, all chunks") or {}
    numbers = usual["details"]["chunks"]
    medians = [spread(values).median for values in zip(*usual["details"]["seconds"], strict=True)]
    axes.plot(numbers, medians, "o-", label="(b) the usual way, a chunk")
    if ours := latest(entries, "growth", lambda e: e["feed"] == usual["feed"]):
        early, late = latest(entries, "growth: early chunk"), latest(entries, "growth: late chunk")
        seconds = [spread(e["values"]).median for e in (early, late) if e]
        axes.plot(ours["details"]["chunks"], seconds, "o-", label="this pipeline, a batch of one chunk (job and commit)")
    axes.set(xlabel="chunk", ylabel="seconds", ylim=(0, None))
    axes.legend()
