"""Reads what a job prints: a line per step, ``name: N.NN s, facts``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

_STEP = re.compile(r"^(?P<name>[^:\n]+): (?P<seconds>\d+\.\d+) s(?:, (?P<facts>.*))?$")
_SAME = 0.03  # a step is taken for the sum of others when it differs by less: what lies between its steps


class Step(NamedTuple):
    """A step of a job, with those that it consists of before it in the output."""

    name: str
    seconds: float
    facts: str


class Placed(NamedTuple):
    """A step on the clock of its job: seconds from the first step's start; ``depth`` 0 is the finest."""

    name: str
    start: float
    end: float
    depth: int


def parse_steps(lines: Iterable[str]) -> list[Step]:
    """Give the steps among some lines, in their order."""
    found = (_STEP.match(line.strip()) for line in lines)
    return [Step(m["name"], float(m["seconds"]), m["facts"] or "") for m in found if m]


def place(steps: Iterable[Step]) -> list[Placed]:
    """Lay steps one behind the other; one that lasts as long as some before it together contains them.

    A step's line is printed at its end, so a step that contains others comes after them.
    """
    placed: list[Placed] = []
    tops: list[Placed] = []  # not contained in another yet
    clock = 0.0
    for step in steps:
        inside = _contained(tops, step.seconds)
        if inside:
            start, depth = inside[0].start, 1 + max(p.depth for p in inside)
            clock = max(clock, start + step.seconds)
            tops = tops[: len(tops) - len(inside)]
        else:
            start, depth = clock, 0
            clock += step.seconds
        placed.append(Placed(step.name, start, start + step.seconds, depth))
        tops.append(placed[-1])
    return placed


def _contained(tops: list[Placed], seconds: float) -> list[Placed]:
    """Give the last steps, two at least, that together last as long: of several choices the nearest."""
    total, best, nearest = 0.0, 0, max(0.05, _SAME * seconds)
    for count, top in enumerate(reversed(tops), start=1):
        total += top.end - top.start
        if count > 1 and abs(total - seconds) <= nearest:
            best, nearest = count, abs(total - seconds)
    return tops[-best:] if best else []
