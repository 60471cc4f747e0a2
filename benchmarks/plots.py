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
_LABELLED = 0.04  # a bar shorter than this share of the run has no room for its name
_LETTERS = 9  # of a label, for a bar of that length


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
    for span in spans:
        colour = _COLOURS[span.kind]
        axes.barh(-span.level, span.seconds, left=span.start, height=0.9, color=colour, edgecolor="white", linewidth=0.4)
        share = span.seconds / max(s.end for s in spans)
        if share >= _LABELLED:
            name = span.name[: int(_LETTERS * share / _LABELLED)]
            axes.text(span.start, -span.level, f" {name}", fontsize=6, va="center", clip_on=True)
    axes.set_yticks([0, -1, -2], ["hops and tasks", "within tasks\n(log lines)", "within the job\n(steps)"])
    axes.set_xlabel(
        f"seconds since the trigger (red: scheduling, orange: process start; last file at {entry['values'][-1]:.1f} s)"
    )


def _job(axes: Any, entries: list[Entry]) -> None:
    labels = []
    for place, measure in enumerate(("job, one chunk", "job, all chunks")):
        entry = latest(entries, measure)
        if entry is None:
            continue
        labels.append((place, measure))
        run = sorted(entry["details"]["runs"], key=lambda r: r["seconds"])[len(entry["details"]["runs"]) // 2]
        _bars(axes, place, run)
    axes.set_yticks([place for place, _ in labels], [name for _, name in labels])
    axes.set_xlabel("seconds since the start of the process, of the run in the middle")


def _bars(axes: Any, place: int, run: dict[str, Any]) -> None:
    from benchmarks.steps import Step
    from benchmarks.steps import place as laid

    bars = [("start and imports", 0.0, run["start"])]
    steps = laid(Step(name, seconds, "") for name, seconds in run["steps"])
    bars += [(step.name, run["start"] + step.start, run["start"] + step.end) for step in steps if step.depth == 0]
    for number, (name, start, end) in enumerate(bars):
        axes.barh(place, end - start, left=start, height=0.6, color=f"C{number % 10}", edgecolor="white")
        share = (end - start) / run["seconds"]
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
