"""Writes docs/benchmarks.md, its pictures and the figures of docs/scale.md: ``python -m benchmarks.report``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks import plots, results, scale
from benchmarks.numbers import Spread, spread
from benchmarks.targets import TARGETS, Entry, Target, latest
from benchmarks.trace import Span, totals

_DOCS = Path(__file__).resolve().parents[1] / "docs"
_LARGE = 1_000
_AIMED = {(target.row, target.measure) for target in TARGETS}

_HEAD = """# Benchmarks

Written by `make bench`; do not edit. Every figure is the median of the runs of one session, with the least and the greatest
in brackets; what is compared ran in turn in the same session. The raw values are in `benchmarks/results/`. Of several
sessions the last one is shown; medians of earlier ones on the same commit stand behind it. (a) is a single-process reference
in DuckDB that does the same detection in memory, chunk by chunk, and keeps nothing; (b) is the usual way: for each chunk the
whole file is downloaded and every pattern computed anew over all rows so far; every twentieth chunk was measured, and what
lies between is interpolated. Of the long feed (a) was measured at eight chunks and (b) at two, once; there row 8 compares rows
a second, and row 7 by how much the cost of a chunk grows. (a) is no lower limit there: it ranks all customers at every chunk.
Rows 1 to 5 do not count the first run of a session, in which Java compiles much of Spark; that of row 1 is among the other
figures. Row 7 does not count the first six on BankSim, and the first on the long feed.
"""


def figure(value: float) -> str:
    """Write a value with three digits, or all of a whole number."""
    if abs(value) >= _LARGE:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 0.01 or value == 0 else f"{value:.4f}"


def shown(found: Spread, unit: str) -> str:
    """Write a spread as the table has it."""
    if found.runs == 1:
        return f"{figure(found.median)} {unit} (1 run)"
    return f"{figure(found.median)} {unit} [{figure(found.least)} - {figure(found.greatest)}] of {found.runs}"


def main_table(entries: list[Entry]) -> str:
    """Render the table of targets."""
    lines = ["| # | what | reach | measured | met | to (a) | to (b) |", "|---|---|---|---|---|---|---|"]
    lines += [_line(target, entries) for target in TARGETS]
    return "\n".join(lines)


def _line(target: Target, entries: list[Entry]) -> str:
    entry = latest(entries, target.measure, lambda e: e["row"] == target.row)
    sign = ">=" if target.at_least else "<="
    if entry is None:
        return f"| {target.row} | {target.what} | {sign} {figure(target.limit)} | not measured | | | |"
    found = spread(entry["values"])
    ratios = [_ratio(found, entry, entries, name) for name in target.compared or ("", "")]
    met = "yes" if target.is_met(found.median) else "**no**"
    reach = f"{sign} {figure(target.limit)} {entry['unit']}"
    what = f"{target.what} ({entry['feed']})" if "x BankSim" in entry["feed"] else target.what
    if watched := entry["details"].get("minutes"):
        what += f" (watched for {watched:g} minutes)"
    measured = shown(found, entry["unit"]) + _before(target, entry, entries)
    if not target.is_met(found.median) and figure(found.median) == figure(target.limit):
        measured += f"; median {found.median:.4g}"  # else what is missed would read as what was asked for
    return f"| {target.row} | {what} | {reach} | {measured} | {met} | {ratios[0]} | {ratios[1]} |"


def _before(target: Target, entry: Entry, entries: list[Entry]) -> str:
    """Tell the medians of earlier sessions on the same commit: a page that shows the best one only would be no measurement."""
    same = (target.row, target.measure, entry["commit"], entry["feed"])
    others = [e for e in entries if (e["row"], e["measure"], e["commit"], e["feed"]) == same and e["date"] != entry["date"]]
    medians = ", ".join(f"{figure(spread(e['values']).median)}" for e in others)
    return f"; in an earlier session {medians}" if medians else ""


def _ratio(found: Spread, entry: Entry, entries: list[Entry], name: str) -> str:
    together = (entry["feed"], entry["date"])
    other = latest(entries, name, lambda e: (e["feed"], e["date"]) == together) if name else None
    return "" if other is None else f"{figure(found.median / spread(other['values']).median)} x"


def current(entries: list[Entry]) -> dict[tuple[str, str], Entry]:
    """Give what the page shows, by row and measure: of figures without a target only those of their row's last session.

    Older ones may be of what is gone.
    """
    last = {(e["row"], e["feed"]): e["date"] for e in entries if e["row"].isdecimal()}
    return {
        (e["row"], e["measure"]): e
        for e in entries
        if (e["row"], e["measure"]) in _AIMED or e["date"] == last.get((e["row"], e["feed"]), e["date"])
    }


def other_table(entries: list[Entry]) -> str:
    """Render every figure that has no target."""
    others = {key: entry for key, entry in current(entries).items() if key not in _AIMED}
    lines = ["| # | what | measured | on |", "|---|---|---|---|"]
    for (row, measure), entry in sorted(others.items(), key=lambda item: (item[0][0].zfill(2), item[0][1])):
        lines.append(f"| {row} | {measure} | {shown(spread(entry['values']), entry['unit'])} | {entry['feed']} |")
    return "\n".join(lines)


def steps_table(entry: Entry) -> str:
    """Render the median seconds of each step of a job."""
    runs = entry["details"]["runs"]
    names = list(dict.fromkeys(name for run in runs for name, _ in run["steps"]))
    lines = [
        "| step | seconds |",
        "|---|---|",
        f"| process start and imports | {figure(spread([r['start'] for r in runs]).median)} |",
    ]
    for name in names:
        seconds = [sum(s for step, s in run["steps"] if step == name) for run in runs]
        lines.append(f"| {name} | {figure(spread(seconds).median)} |")
    return "\n".join(lines)


def trace_table(spans: Sequence[Span]) -> str:
    """Render where the time of a run goes: hops and tasks, then what is inside."""
    lines = ["| what | seconds |", "|---|---|"]
    for level, heading in enumerate(("hops and tasks", "within the tasks", "within the detection job")):
        found = [(name, seconds) for name, seconds in totals(s for s in spans if s.level == level) if seconds >= 0.1]
        lines += [f"| **{heading}** | |"] if found else []
        lines += [f"| {name.replace('|', '/')} | {seconds:.2f} |" for name, seconds in found]
    return "\n".join(lines)


def circumstances(entries: list[Entry]) -> str:
    """Say on which machines and commits the page's results were measured."""
    newest = current(entries).values()
    lines = []
    for date, commit in sorted({(entry["date"], entry["commit"]) for entry in newest}):
        entry = next(e for e in newest if e["date"] == date)
        machine = entry["machine"]
        rows = ", ".join(sorted({e["row"] for e in newest if e["date"] == date}, key=lambda row: row.zfill(2)))
        lines.append(
            f"- rows {rows}: {date}, commit {commit}, {machine['cores']} cores ({machine['processor']}), "
            f"{machine['memory_gb']} GB, Linux {machine['kernel']}, Python {machine['python']}, "
            f"load before {machine['load_before']}"
        )
    return "\n".join(lines)


def page(entries: list[Entry]) -> str:
    """Render docs/benchmarks.md."""
    parts = [_HEAD, main_table(entries), ""]
    if speed := machine_speed(entries):
        parts += [speed, ""]
    if any(entry["commit"].endswith("+") for entry in current(entries).values()):
        parts += ["A commit with + had changes that were not committed.", ""]
    for file, title, drawn in plots.PICTURES:
        if any(entry["measure"] in drawn for entry in entries):
            parts += [f"## {title}", "", f"![{title}](images/{file})", ""]
            parts += _beside(file, entries)
    parts += ["## Other figures", "", other_table(entries), "", "## Measured on", "", circumstances(entries), ""]
    return "\n".join(parts)


def machine_speed(entries: list[Entry]) -> str:
    """Say how much the machine's own speed differs from session to session, by (a): the same program on the same rows."""
    took = [spread(e["values"]).median for e in entries if (e["measure"], e["feed"]) == ("lower limit, all chunks", "BankSim")]
    if not took:
        return ""
    return (
        f"The machine differs from session to session: on the same rows, (a) took {figure(min(took))} to {figure(max(took))} s, "
        f"and {figure(took[-1])} s in the last."
    )


def _beside(file: str, entries: list[Entry]) -> list[str]:
    """Give the tables that stand below a picture."""
    if file == "bench-trace.svg" and (entry := latest(entries, "backfill")):
        return [trace_table([Span(*span) for span in entry["details"]["trace"]]), ""]
    if file == "bench-job.svg":
        tables = []
        for measure in ("job, one chunk", "job, all chunks"):
            if entry := latest(entries, measure):
                tables += [f"Medians of the steps: {measure}.", "", steps_table(entry), ""]
        return tables
    return []


def main() -> None:
    """Write the pages and the pictures from what is in benchmarks/results."""
    entries = results.load()
    if not entries:
        print("no results yet; make bench measures")
        return
    plots.draw(entries, _DOCS / "images")
    (_DOCS / "benchmarks.md").write_text(page(entries))
    scale.update(_DOCS / "scale.md", entries)
    print(main_table(entries))
    print("\nwritten: docs/benchmarks.md, docs/images/bench-*.svg, the figures of docs/scale.md", flush=True)


if __name__ == "__main__":
    main()
