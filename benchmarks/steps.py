"""Reads what a job prints: a line per step, ``name: N.NN s, facts``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

_STEP = re.compile(r"^(?P<name>[^:\n]+): (?P<seconds>\d+\.\d+) s(?:, (?P<facts>.*))?$")
_SAME = 0.03  # a step is taken for the sum of others when it differs by less: what lies between its steps


class Step(NamedTuple):
    """A step of a job."""

    name: str
    seconds: float
    facts: str


class Placed(NamedTuple):
    """A step on the clock of its job: seconds from the first step's start; ``depth`` is 1 if it contains others, else 0."""

    name: str
    start: float
    end: float
    depth: int


def parse_steps(lines: Iterable[str]) -> list[Step]:
    """Give the steps among some lines, in their order."""
    found = (_STEP.match(line.strip()) for line in lines)
    return [Step(m["name"], float(m["seconds"]), m["facts"] or "") for m in found if m]


def place(steps: Iterable[Step]) -> list[Placed]:
    """Lay steps one behind the other; the last one contains those before it that together last as long.

    A step's line is printed at its end, so what contains the others comes last. Only the last: a short step may happen to last as
    long as the two before it.
    """
    placed: list[Placed] = []
    clock = 0.0
    for step in (listed := list(steps)):
        inside = _contained(placed, step.seconds) if step is listed[-1] else []
        start = inside[0].start if inside else clock
        clock = max(clock, start + step.seconds)
        placed.append(Placed(step.name, start, start + step.seconds, 1 if inside else 0))
    return placed


def _contained(placed: list[Placed], seconds: float) -> list[Placed]:
    """Give the last steps, two at least, that together last as long: of several choices the nearest."""
    total, best, nearest = 0.0, 0, max(0.05, _SAME * seconds)
    for count, step in enumerate(reversed(placed), start=1):
        total += step.end - step.start
        if count > 1 and abs(total - seconds) <= nearest:
            best, nearest = count, abs(total - seconds)
    return placed[-best:] if best else []
