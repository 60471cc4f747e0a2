"""The table of what was killed when, how long it was ill, and the verdict; for a terminal and as Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from local.chaos.plan import INTERFERENCES, KILLS
from local.chaos.rounds import Incident, Round

_COLUMNS = ("round", "what was hit", "at", "landed, applied", "healthy after", "verdict")


def print_table(rounds: Sequence[Round]) -> None:
    """Print the table and, below it, every problem."""
    table = Table(*_COLUMNS, title="Chaos", title_justify="left")
    for cells in _lines(rounds):
        table.add_row(*cells)
    console = Console(width=None if Console().is_terminal else 130)
    console.print(table)
    console.print(summary(rounds), highlight=False)
    for done in rounds:
        for problem in done.problems:
            console.print(f"round {done.number}, feed {done.feed}: {problem}", markup=False, highlight=False)


def write_markdown(rounds: Sequence[Round], command: str, path: Path) -> None:
    """Write the same as Markdown, with the command that repeats it."""
    lines = [f"`{command}`: {summary(rounds)}", ""]
    lines += ["| " + " | ".join(_COLUMNS) + " |", "|" + "---|" * len(_COLUMNS)]
    lines += ["| " + " | ".join(cells) + " |" for cells in _lines(rounds)]
    problems = [f"- round {done.number}: {problem}" for done in rounds for problem in done.problems]
    lines += ["", *problems] if problems else []
    path.write_text("\n".join(lines) + "\n")


def summary(rounds: Sequence[Round]) -> str:
    """Count the events by kind, and the rounds that differ."""
    counts = Counter(incident.event.kind for done in rounds for incident in done.incidents)
    kills = sum(counts[kind] for kind in KILLS)
    each = ", ".join(f"{kind} {counts[kind]}" for kind in KILLS if counts[kind])
    besides = ", ".join(f"{kind} {counts[kind]}" for kind in INTERFERENCES if counts[kind])
    differing = sum(bool(done.problems) for done in rounds)
    verdict = f"{differing} of {len(rounds)} rounds differ" if differing else "all as the undisturbed run"
    return f"{len(rounds)} rounds, {kills} kills ({each}), besides {besides or 'nothing'}: {verdict}."


def _lines(rounds: Sequence[Round]) -> list[tuple[str, ...]]:
    lines: list[tuple[str, ...]] = []
    for done in rounds:
        verdict = f"{'differs' if done.problems else 'identical'}, {done.seconds:.0f} s"
        for position, incident in enumerate(done.incidents):
            first, last = position == 0, position == len(done.incidents) - 1
            lines.append((str(done.number) if first else "", *_cells(incident), verdict if last else ""))
        if not done.incidents:
            lines.append((str(done.number), "nothing", "", "", "", verdict))
    return lines


def _cells(incident: Incident) -> tuple[str, str, str, str]:
    healthy = "" if incident.ill_seconds is None else f"{incident.ill_seconds:.1f} s"
    return incident.what, f"{incident.seconds:.1f} s", f"{incident.landed}, {incident.applied}", healthy
