"""The detectors on Spark Connect against the reference: random feeds, and every way to group their chunks into batches.

Rules hold within one merchant. So many feeds, each with several groupings, go through Spark at once: every (feed, batch) gets
merchants of its own.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession

from detectors import DETECTORS, detect_all
from detectors.batch import BEFORE, Batch, moves, running_totals
from detectors.child import detect as detect_children
from detectors.places import KnownWeight
from local.config import Addresses
from tests import reference
from tests.handmade import HEADER, IMPORTANCE_HEADER, Row, buy, weigh
from tests.reference import Evidence, twelve_places
from tests.reference_rows import read_importance

SCHEMAS = {
    "transactions": "chunk int, customer string, merchant string, gender string, cents long",
    "pairs": "merchant string, customer string, transactions long, amount decimal(24,2), weight decimal(38,12), "
    "as_female int, as_male int",
    "merchants": "merchant string, transactions long, female long, male long",
    "totals": "merchant string, transactions long, customers long",
    "idle": "merchant string, customer string, transactions long, weight decimal(38,12)",
}
"""What the batch's chunks give, and as what JDBC reads the views."""

Found = tuple[int, str, str, str, str]


@pytest.fixture(scope="module")
def spark(spark_services: Addresses) -> SparkSession:
    return SparkSession.builder.remote(spark_services.spark_remote).getOrCreate()


@dataclass
class Tables:
    """Rows of what a batch consists of, for many batches at once."""

    rules: Mapping[str, Any]
    rows: dict[str, list[tuple[Any, ...]]] = field(default_factory=lambda: {name: [] for name in SCHEMAS})
    weights: list[KnownWeight] = field(default_factory=list)

    def add(self, case: str, rows: list[Row], importance: list[Row], first: int, last: int) -> None:
        """Add the batch of chunks ``first`` to ``last`` of a feed; its merchants are called ``case/...``."""
        size = self.rules["chunk_size"]
        before = reference.state([HEADER, *rows[: (first - 1) * size]])
        inside = list(enumerate(rows))[(first - 1) * size : last * size]
        cleaned = [(index // size + 1, *(row[HEADER.index(name)].strip("'") for name in COLUMNS)) for index, row in inside]
        touched = {(merchant, customer) for _, customer, merchant, _, _ in cleaned}
        merchants = {merchant for merchant, _ in touched}
        weights = read_importance([IMPORTANCE_HEADER, *importance])
        for chunk, customer, merchant, gender, amount in cleaned:
            self.rows["transactions"].append((chunk, customer, f"{case}/{merchant}", gender.upper(), int(Decimal(amount) * 100)))
        for merchant, customer in touched:
            count, amount, *seen_before = before.pairs.get((merchant, customer), (0, Decimal(0), False, False))
            shown = [{c for c, *pair, g, _ in cleaned if pair == [customer, merchant] and g.upper() == gender} for gender in "FM"]
            seen_as = [BEFORE if was else min(chunks, default=None) for was, chunks in zip(seen_before, shown, strict=True)]
            weight = weights.get((merchant, customer))
            rounded = None if weight is None else twelve_places(weight)
            self.rows["pairs"].append((f"{case}/{merchant}", customer, count, amount, rounded, *seen_as))
        for merchant in merchants:
            total_before = before.merchants.get(merchant, (0, 0, 0))
            self.rows["merchants"].append((f"{case}/{merchant}", *total_before))
            known = {who: twelve_places(weight) for (where, who), weight in weights.items() if where == merchant}
            seen = {who: total.transactions for (where, who), total in before.pairs.items() if where == merchant and who in known}
            self.rows["totals"] += [(f"{case}/{merchant}", count, n) for count, n in Counter(seen.values()).items()]
            self.rows["idle"] += [
                (f"{case}/{merchant}", who, count, known[who]) for who, count in seen.items() if (merchant, who) not in touched
            ]
            new = {who: chunk for chunk, who, where, *_ in reversed(cleaned) if where == merchant and who in known.keys() - seen}
            places = enumerate(sorted(known[who] for who in seen), start=1)
            ranked = total_before[0] > self.rules["upgrade_min_transactions"]
            about = (f"{case}/{merchant}", ranked, len(seen))
            self.weights += [KnownWeight(*about, BEFORE, weight, place) for place, weight in places]
            self.weights += [KnownWeight(*about, chunk, known[who], None) for who, chunk in new.items()]

    def batch(self, spark: SparkSession) -> Batch:
        """Give all batches as one."""
        frames: dict[str, DataFrame] = {name: spark.createDataFrame(self.rows[name], schema) for name, schema in SCHEMAS.items()}
        running = running_totals(frames["transactions"], frames["pairs"])
        moved = moves(running, frames.pop("totals"))
        return Batch(1, _CHUNKS, weights=self.weights, running=running, moves=moved, **frames)


COLUMNS = ("customer", "merchant", "gender", "amount")
_CHUNKS = 60  # a feed has at most so many rows


def random_feed(seed: int) -> tuple[list[Row], list[Row]]:
    """Make transactions and importance of few values, so that ties, turns of gender and thresholds are met all the time."""
    chance = random.Random(seed)
    customers = "abcdefgh"[: chance.randint(2, 8)]
    rows = [
        buy(
            customer=chance.choice(customers),
            merchant=chance.choice(["M1", "M1", "M2"]),
            amount=chance.choice(["0", "9.99", "10.00", "10.01", "30.00"]),
            gender=chance.choices("FMfU", [4, 5, 1, 1])[0],
        )
        for _ in range(chance.randint(1, 60))
    ]
    importance = [
        weigh(chance.choice(customers), chance.choice(["1", "1.0", "2", "0.3", "-1", "x"]), chance.choice(["M1", "M2"]))
        for _ in range(chance.randint(0, 20))
    ]
    return rows, importance


# Lists drawn row by row come out short, and short feeds hold few detections; so a feed is drawn by its seed.
feeds = st.lists(st.integers(0, 10**9), min_size=30, max_size=30, unique=True).map(lambda seeds: [*map(random_feed, seeds)])
rules = st.fixed_dictionaries(
    {
        "chunk_size": st.integers(1, 7),
        "upgrade_percent": st.sampled_from([34, 20, 50, 0, 100]),
        "upgrade_min_transactions": st.integers(0, 12),
        "child_min_transactions": st.integers(1, 4),
        "child_max_average": st.sampled_from([Decimal(10), Decimal("10.005"), Decimal(25)]),
        "dei_min_female": st.integers(0, 2),
    }
)


def groupings(chunks: int) -> Iterator[list[tuple[int, int]]]:
    """Give batches (first, last): all chunks in one, one chunk each, and pairs."""
    yield [(1, chunks)]
    yield [(chunk, chunk) for chunk in range(1, chunks + 1)]
    yield [(first, min(first + 1, chunks)) for first in range(1, chunks + 1, 2)]


@settings(
    max_examples=6,
    deadline=None,
    database=None,
    phases=[Phase.generate],  # an example takes seconds: shrinking would take an hour, and the assertion names one feed anyway
    suppress_health_check=list(HealthCheck),
)
@given(feeds=feeds, rules=rules)
def test_grouping_does_not_matter(spark: SparkSession, feeds: list[tuple[list[Row], list[Row]]], rules: dict[str, Any]) -> None:
    tables = Tables(rules)
    for number, (rows, importance) in enumerate(feeds):
        for grouping, batches in enumerate(groupings(-(-len(rows) // rules["chunk_size"]))):
            for first, last in batches:
                tables.add(f"{number}/{grouping}/{first}", rows, importance, first, last)

    first_found: dict[tuple[int, int], dict[tuple[str, ...], tuple[int, Evidence]]] = {}
    for boundary, *what, merchant, customer, evidence in detect_all(tables.batch(spark), rules):
        number, grouping, first, name = merchant.split("/")
        found = first_found.setdefault((int(number), int(grouping)), {})
        key = (*what, name, customer)
        chunk = max(boundary, int(first))  # all batches begin with chunk 1 here: what held before the own one holds there
        if key not in found or chunk < found[key][0]:  # the commit leaves out what an earlier batch has detected
            found[key] = chunk, json.loads(evidence)

    for number, (rows, importance) in enumerate(feeds):
        expected = {
            (d.pattern_id, d.action_type, d.merchant, d.customer): (d.chunk, evidence)
            for d, evidence in reference.detect_with_evidence([HEADER, *rows], [IMPORTANCE_HEADER, *importance], rules).items()
        }
        for grouping in range(3):
            assert first_found.get((number, grouping), {}) == expected, (rules, rows, importance)


def found_in(spark: SparkSession, rows: list[Row], importance: list[Row], *, at_end: bool = False, **rules: Any) -> list[Found]:
    """Detect in one batch of one-row chunks, or what holds at its end, with rules that find nothing unless given."""
    silent = {
        "chunk_size": 1,
        "upgrade_percent": 10,
        "upgrade_min_transactions": 10**9,
        "child_min_transactions": 10**9,
        "child_max_average": Decimal(23),
        "dei_min_female": 10**9,
    }
    tables = Tables(silent | rules)
    tables.add("x", rows, importance, 1, len(rows))
    batch = tables.batch(spark)
    found = detect_all(batch.at_end() if at_end else batch, silent | rules)
    return sorted((chunk, *what, merchant.removeprefix("x/"), who) for chunk, *what, merchant, who, _ in found)


def test_upgrade_by_hand(spark: SparkSession) -> None:
    # Over 3 transactions from chunk 4 on; a (2) and b (2) share the first rank by transactions, b and c weigh least.
    rows = [buy("a"), buy("a"), buy("b"), buy("c"), buy("b"), buy("d"), buy("e"), buy("e"), buy("e")]
    importance = [weigh("a", "9"), weigh("b", "1"), weigh("c", "1.00"), weigh("d", "5")]
    assert found_in(spark, rows, importance, upgrade_min_transactions=3, upgrade_percent=0) == [
        (5, "PatId1", "UPGRADE", "M1", "b")
    ]
    at_end = _CHUNKS, "PatId1", "UPGRADE", "M1"
    assert found_in(spark, rows, importance, at_end=True, upgrade_min_transactions=3, upgrade_percent=0) == [(*at_end, "b")]
    rows.append(buy("a"))
    assert found_in(spark, rows, importance, at_end=True, upgrade_min_transactions=3, upgrade_percent=0) == []
    importance += [weigh("a", "-99")] * 9
    assert found_in(spark, rows, importance, at_end=True, upgrade_min_transactions=3, upgrade_percent=0) == [(*at_end, "a")]


def test_child_by_hand(spark: SparkSession) -> None:
    # The average of a is 23 after three, below it after four; b is below it from its second on.
    amounts = [("a", "23"), ("a", "23"), ("b", "1"), ("a", "23"), ("b", "0"), ("a", "22.99")]
    rows = [buy(customer, amount=amount) for customer, amount in amounts]
    assert found_in(spark, rows, [], child_min_transactions=2) == [
        (5, "PatId2", "CHILD", "M1", "b"),
        (6, "PatId2", "CHILD", "M1", "a"),
    ]
    rows.append(buy("b", amount="68"))  # 69 for three
    assert found_in(spark, rows, [], at_end=True, child_min_transactions=2) == [(_CHUNKS, "PatId2", "CHILD", "M1", "a")]


def test_dei_needed_by_hand(spark: SparkSession) -> None:
    genders = [("a", "F"), ("b", "F"), ("p", "M"), ("q", "M"), ("a", "F"), ("c", "U"), ("b", "M"), ("c", "F"), ("r", "M")]
    rows = [buy(customer, gender=gender) for customer, gender in genders]
    # Two of each at chunk 4; b counts as neither from chunk 7 on, which leaves one; c makes it two again; r is the third man.
    assert found_in(spark, rows, [], dei_min_female=1) == [(9, "PatId3", "DEI-NEEDED", "M1", "")]
    assert found_in(spark, rows, [], dei_min_female=0) == [(7, "PatId3", "DEI-NEEDED", "M1", "")]
    assert found_in(spark, rows, [], at_end=True, dei_min_female=1) == [(_CHUNKS, "PatId3", "DEI-NEEDED", "M1", "")]
    rows.append(buy("d", gender="F"))
    assert found_in(spark, rows, [], dei_min_female=1) == [(9, "PatId3", "DEI-NEEDED", "M1", "")]
    assert found_in(spark, rows, [], at_end=True, dei_min_female=1) == []  # three of each


def test_child_average_has_a_limit_of_digits(spark: SparkSession) -> None:
    batch = Tables({}).batch(spark)
    with pytest.raises(ValueError, match="more than 16 after it"):
        detect_children(batch, child_min_transactions=1, child_max_average=Decimal("0.12345678901234567"))


def test_patterns_are_those_of_the_exercise() -> None:
    assert [(d.PATTERN_ID, d.ACTION_TYPE) for d in DETECTORS] == [
        ("PatId1", "UPGRADE"),
        ("PatId2", "CHILD"),
        ("PatId3", "DEI-NEEDED"),
    ]
