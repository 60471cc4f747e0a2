"""Exactly once, and grouping does not matter: random feeds, rules, groupings and crashes against an undisturbed run.

Against the functions behind the tasks, PostgreSQL, Azurite and the Drive stand-in; the detection job is stood in for
(staged_by_hand.py). The examples are the same in every session.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from feeds.landing import land
from feeds.request import FeedRequest
from feeds.source import SourceMovedError
from local.config import Addresses
from tests import random_feeds, reference
from tests.conftest import FeedFiles, files_on_drive
from tests.integration.crashing import Crash, Effects, crash
from tests.integration.dag_run import TASKS, DagRun, RunFailedError, Workspace, World
from tests.integration.snapshot import GROUPING, snapshot

EXAMPLES = 200
FOLDER = "exactly-once"
NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Step:
    """A run, and what happens to it.

    Attributes
    ----------
    last
        The last chunk that it asks for; ``None``: all.
    flush
        Whether it is to write a rest.
    crashes
        Before which of its effects it crashes, those of further tries counted on.
    again
        Whether a task that has crashed is tried again, or the run given up.
    forget
        Whether Databricks forgets its runs at every crash.
    cleared
        The task from which on the *first* run of the feed is cleared afterwards.
    """

    last: int | None
    flush: bool
    crashes: frozenset[int]
    again: bool
    forget: bool
    cleared: str | None


@dataclass(frozen=True)
class Plan:
    """A feed, its rules, and what happens to it.

    Attributes
    ----------
    seed
        Of the rows.
    rows, more_rows
        How many rows the file has, and by how many it grows.
    cut
        Whether the file lacks its last line end before it grows.
    grows
        Before which effect of which step it grows.
    """

    seed: int
    rows: int
    more_rows: int
    cut: bool
    grows: tuple[int, int]
    rules: dict[str, Any]
    steps: list[Step]


RULES = st.fixed_dictionaries(
    {
        "chunk_size": st.integers(50, 120),
        "upgrade_percent": st.sampled_from([10, 30, 60]),
        "upgrade_min_transactions": st.integers(5, 60),
        "weight_scope": st.sampled_from(["customer_merchant", "customer"]),
        "child_min_transactions": st.integers(2, 7),
        "child_max_average": st.sampled_from([20, 28.5, 40]),
        "dei_min_female": st.integers(0, 2),
        "detections_per_file": st.integers(6, 25),
        "linger_seconds": st.sampled_from([0, 60]),
        "max_reject_percent": st.just(100),
    }
)
STEPS = st.builds(
    Step,
    last=st.none() | st.integers(1, 5),
    flush=st.booleans(),
    crashes=st.frozensets(st.sampled_from(range(1, 76)), min_size=1, max_size=3),
    again=st.booleans(),
    forget=st.booleans(),
    cleared=st.none() | st.none() | st.sampled_from(TASKS),
)
PLANS = st.builds(
    Plan,
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(1, 220),
    more_rows=st.just(0) | st.just(0) | st.integers(1, 70),
    cut=st.booleans(),
    grows=st.tuples(st.integers(0, 2), st.integers(1, 40)),
    rules=RULES,
    steps=st.lists(STEPS, min_size=1, max_size=3),
)


@dataclass
class Example:
    """A plan that is carried out, on files of its own."""

    world: World
    files: FeedFiles
    plan: Plan
    feed: str
    grown: bool = False
    runs: list[DagRun] = field(default_factory=list)

    def __post_init__(self) -> None:
        random = Random(self.plan.seed)
        first = random_feeds.HEADER + random_feeds.transactions(random, self.plan.rows)
        self.after = first + random_feeds.transactions(random, self.plan.more_rows, self.plan.rows)
        self.before = first.rstrip(b"\r\n") if self.plan.cut else first
        self.transactions = self.files.transactions
        self.importance = self.files.folder / "CustomerImportance.csv"
        self.transactions.write_bytes(self.before)
        self.importance.write_bytes(random_feeds.importance(random, 50))

    def request(self, last: int | None = None, flush: bool = False) -> FeedRequest:
        rules = {"interval_seconds": 0} | self.plan.rules
        return FeedRequest(self.feed, rules, folder_id=self.files.folder_id, last_chunk=last, flush=flush)

    def grow(self) -> None:
        if not self.grown:
            self.transactions.write_bytes(self.after)
        self.grown = True

    def disturb(self) -> None:
        """Carry the plan out, and let undisturbed runs finish the feed."""
        for number, step in enumerate(self.plan.steps):
            run = DagRun(self.world, self.request(step.last, step.flush))
            self.runs.append(run)
            self._go_on(run, step, self._effects(number, step))
            if step.cleared is not None:
                self.runs[0].clear(step.cleared)
                self._go_on(self.runs[0], step, Effects())
        self.grow()
        self.world.exhaust(self.request())

    def _effects(self, number: int, step: Step) -> Effects:
        grows = self.plan.grows[1] if self.plan.grows[0] == number else 0

        def happen(window: str) -> None:
            if len(effects.names) == grows:
                self.grow()
            if len(effects.names) in step.crashes:
                event(f"crash in {run_task(self.runs[-1])}")
                crash(window)

        effects = Effects(at=step.crashes | {grows}, what=happen)
        return effects

    def _go_on(self, run: DagRun, step: Step, effects: Effects) -> None:
        """Run the tasks, each as often as it takes; or give the run up at the first crash."""
        for _ in range(10):
            try:
                run.go_on(effects)
            except (Crash, RunFailedError, SourceMovedError):
                if step.forget:
                    self.world.workspace.succeeded.clear()
                if not step.again:
                    return
            else:
                return
        raise AssertionError(f"{run.todo[0]} does not succeed")

    def calm(self, landed_before: int) -> dict[str, Any]:
        """Give what an undisturbed feed comes to, in one batch; it lands as many chunks before the file grows."""
        self.feed = f"{self.feed}-calm"
        if landed_before:
            self.transactions.write_bytes(self.before)
            land(self.world.ledger, self.world.drive, self.world.blobs, self.request(last=landed_before))
            self.transactions.write_bytes(self.after)
        self.world.run(self.request())
        return snapshot(self.world.connection, self.world.blobs, self.feed)


def run_task(run: DagRun) -> str:
    return run.todo[0] if run.todo else "a cleared run"


@pytest.fixture(scope="module")
def files(services: Addresses) -> Iterator[FeedFiles]:
    """Files whose content every example replaces."""
    with files_on_drive(services, FOLDER, b"") as files:
        yield files


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(plan=PLANS)
def test_no_crash_and_no_grouping_makes_a_difference(world: World, files: FeedFiles, plan: Plan) -> None:
    world.workspace = Workspace()
    example = Example(world, files, plan, f"{FOLDER}-{next(NUMBERS)}")
    example.disturb()
    found = snapshot(world.connection, world.blobs, example.feed)
    sizes = _sizes(found, plan)
    evidence = reference.detect_with_evidence(example.transactions, example.importance, plan.rules, sizes)
    rules = [list(detection) for detection in evidence]
    assert [row[1:] for row in found["detections"]] == rules
    assert [numbers for _, numbers in found["evidence"]] == list(evidence.values())
    assert found["exported"] == [[pattern, action, customer, merchant] for _, pattern, action, customer, merchant in rules]
    _assert_state(found, example.transactions, plan.rules["weight_scope"])
    _assert_files(found, plan.rules["detections_per_file"])
    calm = example.calm(_landed_before_growth(found))
    assert {name: part for name, part in found.items() if name not in GROUPING} == {
        name: part for name, part in calm.items() if name not in GROUPING
    }
    assert found["staged"] == {}
    for pattern in {row[1] for row in rules}:
        event(f"finds {pattern}")


def _landed_before_growth(found: dict[str, Any]) -> int:
    """Count the chunks that landed from the revision before the last."""
    ((feed,),) = found["feed"]
    return sum(chunk["revision"] != feed["source_revision"] for (chunk,) in found["chunks"])


def _sizes(found: dict[str, Any], plan: Plan) -> list[int]:
    """Give the rows of every chunk: all are full, but the last one of each revision."""
    sizes = [chunk["landed_rows"] + chunk["rejected_rows"] for (chunk,) in found["chunks"]]
    full, before = plan.rules["chunk_size"], _landed_before_growth(found)
    landed_before = min(before * full, plan.rows)
    wanted = [full] * before + [full] * -(-(plan.rows + plan.more_rows - landed_before) // full)
    for end, rows in ((before, landed_before), (len(wanted), plan.rows + plan.more_rows)):
        if end:
            wanted[end - 1] -= sum(wanted[:end]) - rows
    assert sizes == wanted
    return sizes


def _assert_state(found: dict[str, Any], transactions: Path, weight_scope: str) -> None:
    state = reference.state(transactions)
    assert {name: tuple(totals) for name, *totals in found["merchants"]} == state.merchants
    assert {(name, customer): tuple(totals) for name, customer, *totals, _ in found["pairs"]} == state.pairs
    weights = {(merchant, customer): weight for merchant, customer, weight in found["weights"]}
    for merchant, customer, *_, weight in found["pairs"]:
        assert weight == weights.get(("" if weight_scope == "customer" else merchant, customer))
    ranked = Counter((merchant, count) for merchant, _, count, *_, weight in found["pairs"] if weight is not None)
    assert [tuple(row) for row in found["ranks"]] == [(*key, customers) for key, customers in sorted(ranked.items())]


def _assert_files(found: dict[str, Any], most: int) -> None:
    """Files tile the ordinals, are confirmed, and hold no more rows than they may."""
    ends = [0]
    for number, (file_number, first, last, _, uploaded) in enumerate(found["detection_files"], start=1):
        assert (file_number, first, uploaded) == (number, ends[-1] + 1, True)
        assert last - first < most
        ends.append(last)
    assert ends[-1] == len(found["detections"])
    assert [row[0] for row in found["detections"]] == list(range(1, ends[-1] + 1))
    assert len(found["detection_blobs"]) == len(found["detection_files"])
