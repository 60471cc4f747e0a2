"""The plan of a chaos: from the seed alone, every kind often enough."""

from __future__ import annotations

from collections import Counter

import pytest

from local.chaos.plan import INTERFERENCES, KILLS, TASKS, Kind, make_plan


def test_the_same_seed_gives_the_same_plan() -> None:
    assert make_plan(7, 5) == make_plan(7, 5)
    assert make_plan(7, 5) != make_plan(8, 5)


@pytest.mark.parametrize("seed", range(20))
def test_ten_rounds_are_a_long_chaos(seed: int) -> None:
    plan = make_plan(seed, 10)
    counts = Counter(event.kind for events in plan for event in events)
    assert sum(counts[kind] for kind in KILLS) >= 30
    assert min(counts[kind] for kind in Kind) >= 3
    assert min(counts[kind] for kind in INTERFERENCES) == 5
    assert {event.task for events in plan for event in events} == set(TASKS)
    assert all(0 <= event.delay <= 4 and 0 <= event.variant <= 1 for events in plan for event in events)


def test_a_job_is_killed_before_the_feed_can_be_done() -> None:
    plan = make_plan(1, 50)
    kinds = [[event.kind for event in events] for events in plan]
    assert all(Kind.JOB not in round_[1:] or round_[0] is Kind.JOB for round_ in kinds)
    assert all(event.task == "detect_patterns" for events in plan for event in events if event.kind is Kind.JOB)


def test_kinds_can_be_chosen() -> None:
    assert {event.kind for events in make_plan(1, 3, [Kind.AZURITE]) for event in events} <= {Kind.AZURITE, *INTERFERENCES}
