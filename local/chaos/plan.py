"""Which events happen when: drawn from a seed before anything starts, so that the same seed gives the same plan."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import TypeVar

Card = TypeVar("Card")


class Kind(StrEnum):
    """What an event does. The value is its name in tables and on the command line."""

    TASK = "task"
    WORKER = "worker"
    JOB = "job"
    SPARK = "spark"
    POSTGRES = "postgres"
    AZURITE = "azurite"
    SCHEDULER = "scheduler"
    TRIGGERER = "triggerer"
    CLEAR = "clear"
    COMPETE = "compete"


INTERFERENCES = (Kind.CLEAR, Kind.COMPETE)
"""What is no kill, but what people do: clear tasks, and trigger runs while one is active."""

KILLS = tuple(kind for kind in Kind if kind not in INTERFERENCES)
TASKS = ("land_chunks", "chunks_landed", "detect_patterns", "commit_batch", "export_detections")
_KILLS_A_ROUND = 4
_MOST_DELAY = 4.0  # a task takes one second, the detection task five to ten


@dataclass(frozen=True)
class Event:
    """One event of a round.

    Attributes
    ----------
    kind
        What is done.
    task
        The moment is counted from when this task is seen running; a task that is killed is this one.
    delay
        Seconds from then.
    variant
        A number between 0 and 1 for what else is open: which run is cleared, from which task on, which range competes.
    """

    kind: Kind
    task: str
    delay: float
    variant: float


def make_plan(seed: int, rounds: int, kills: Sequence[Kind] = KILLS, kills_a_round: int = _KILLS_A_ROUND) -> list[list[Event]]:
    """Draw the events of every round.

    Kinds and tasks are dealt from shuffled decks: each occurs as often as any other, give or take one.

    Parameters
    ----------
    seed
        The same seed gives the same plan.
    rounds
        How many.
    kills
        The kinds of kills to deal.
    kills_a_round
        How many kills each round has, besides one interference.
    """
    draw = random.Random(seed)
    kinds, interferences, tasks = _deck(draw, kills), _deck(draw, INTERFERENCES), _deck(draw, TASKS)
    plan = []
    for _ in range(rounds):
        dealt = [*islice(kinds, kills_a_round), next(interferences)]
        draw.shuffle(dealt)
        dealt.sort(key=lambda kind: kind is not Kind.JOB)  # a job is certain to come only while the feed is not exhausted
        plan.append([_event(draw, kind, next(tasks)) for kind in dealt])
    return plan


def _event(draw: random.Random, kind: Kind, task: str) -> Event:
    if kind is Kind.JOB or (kind is Kind.SPARK and draw.random() < 0.5):
        task = "detect_patterns"
    longest = _MOST_DELAY if task == "detect_patterns" else 0.5
    return Event(kind, task, round(draw.uniform(0, longest), 2), round(draw.random(), 3))


def _deck(draw: random.Random, cards: Sequence[Card]) -> Iterator[Card]:
    """Deal the cards in random order, shuffled again whenever all are dealt."""
    while True:
        yield from draw.sample(list(cards), len(cards))
