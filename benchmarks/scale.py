"""The figures of docs/scale.md: the page's text is written by hand, the block between its two markers from the results."""

from __future__ import annotations

from pathlib import Path

from benchmarks.numbers import slope, spread
from benchmarks.targets import Entry, latest

BEGIN, END = "<!-- figures: begin, written by make bench -->", "<!-- figures: end -->"
GOAL = 1_000_000
"""Rows per second that the page works out."""

_CHUNK_ROWS = 10_000


def update(path: Path, entries: list[Entry]) -> None:
    """Put the figures between the markers of a page."""
    text = path.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    if not rest or not after:
        raise RuntimeError(f"{path} lacks its markers: {BEGIN} and {END}")
    path.write_text(f"{before}{BEGIN}\n{figures(entries)}\n{END}{after}")


def figures(entries: list[Entry]) -> str:
    """Render the block: each figure, how it follows from the results, and what it comes to at the goal."""
    lines = ["| figure | from | value | at 1,000,000 rows/s |", "|---|---|---|---|"]
    lines += [f"| {name} | {source} | {value} | {goal} |" for name, source, value, goal in _rows(entries)]
    return "\n".join(lines)


def _rows(entries: list[Entry]) -> list[tuple[str, str, str, str]]:
    chunks = _chunks(entries)
    fixed, per_chunk = _line(chunks, _median(entries, "job, one chunk"), _median(entries, "job, all chunks"))
    cpu_name = ": CPU of job, Spark, PostgreSQL"
    _, cpu = _line(chunks, *(_median(entries, name + cpu_name) for name in ("job, one chunk", "job, all chunks")))
    landing, throughput = _median(entries, "landing"), _median(entries, "throughput")
    backfill_cpu = _median(entries, "CPU for a million rows")
    landing_cpu = _times(_median(entries, "CPU"), 1 / chunks)
    goal = GOAL / _CHUNK_ROWS
    return [
        ("fixed cost of a batch, F", "job of one chunk - S", _text(fixed, "s"), "the same"),
        (
            "seconds of one more chunk in a batch, S", f"slope from 1 to {chunks} chunks",
            _text(per_chunk, "s"), _text(_times(per_chunk, goal), "of these machines"),
        ),
        (
            "CPU seconds of one more chunk, C (job, Spark, PostgreSQL)", "the same slope",
            _text(cpu, "s"), _text(_times(cpu, goal), "cores"),
        ),
        ("CPU seconds of landing a chunk, L", "row 6", _text(landing_cpu, "s"), _text(_times(landing_cpu, goal), "cores")),
        ("chunks landed a second by one task", "row 6", _text(landing, ""), _text(_of(goal, landing), "tasks at once")),
        ("rows a second of a backfill", "row 8", _text(throughput, ""), _text(_of(GOAL, throughput), "x as much")),
        ("CPU seconds of a million rows of it, all services", "row 8", _text(backfill_cpu, "s"), _text(backfill_cpu, "cores")),
        ("chunk blobs written, and read, a second", "10,000 rows a chunk", "1 at the real pace", f"{goal:.0f}"),
    ]  # fmt: skip


def _line(chunks: int, one: float | None, many: float | None) -> tuple[float | None, float | None]:
    """Give what a batch costs whatever it holds, and what one more chunk adds."""
    if one is None or many is None:
        return None, None
    per_chunk = slope([1, chunks], [one, many])
    return one - per_chunk, per_chunk


def _of(goal: float, value: float | None) -> float | None:
    return None if value is None else goal / value


def _chunks(entries: list[Entry]) -> int:
    entry = latest(entries, "usual way, all chunks")
    return int(entry["details"]["chunks"][-1]) if entry else 60


def _median(entries: list[Entry], measure: str) -> float | None:
    entry = latest(entries, measure)
    return None if entry is None else spread(entry["values"]).median


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _text(value: float | None, unit: str) -> str:
    return "not measured" if value is None else f"{value:,.3g} {unit}".strip()
