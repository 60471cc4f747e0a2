"""PatId1 by example, counted by hand: what the reference says here is what the product has to say."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.handmade import NO_CHILD, NO_DEI, Row, buy, feed, importance, weigh
from tests.reference import detect


def upgraded(rows: list[Row], weights: list[Row], **rules: Any) -> list[tuple[int, str]]:
    """Chunk and customer of the PatId1 detections, which must be all there are."""
    rules = {"chunk_size": 1000, "upgrade_min_transactions": 0, **NO_CHILD, **NO_DEI, **rules}
    found = detect(feed(*rows), importance(*weights), rules)
    assert {(d.pattern_id, d.action_type, d.merchant) for d in found} <= {("PatId1", "UPGRADE", "M1")}
    return [(d.chunk, d.customer) for d in found]


def ladder(n: int) -> tuple[list[Row], list[Row]]:
    """Give customers c01, c02, ... n, n-1, ... transactions and weights 1, 2, ...: the same rank in both rankings."""
    names = [f"c{i:02}" for i in range(1, n + 1)]
    rows = [buy(name) for i, name in enumerate(names) for _ in range(n - i)]
    return rows, [weigh(name, str(i)) for i, name in enumerate(names, start=1)]


@pytest.mark.parametrize(
    ("n", "percent", "qualify"),
    [
        (1, 10, ["c01"]),  # 0 <= 0: an only customer is top and bottom
        (10, 10, ["c01"]),  # rank 2: 100 * 1 > 10 * 9
        (11, 10, ["c01", "c02"]),  # rank 2: 100 * 1 <= 10 * 10, exactly on the boundary
        (20, 10, ["c01", "c02"]),  # rank 3: 100 * 2 > 10 * 19
        (21, 10, ["c01", "c02", "c03"]),
        (21, 0, ["c01"]),
        (21, 1, ["c01"]),
        (3, 100, ["c01", "c02", "c03"]),
    ],
)
def test_upgrade_takes_whole_number_percentiles(n: int, percent: int, qualify: list[str]) -> None:
    assert upgraded(*ladder(n), upgrade_percent=percent) == [(1, name) for name in qualify]


def test_upgrade_needs_more_transactions_of_the_merchant_than_the_minimum() -> None:
    rows = [buy("a")] * 5
    assert upgraded(rows[:4], [weigh("a", "1")], upgrade_min_transactions=4, chunk_size=1) == []
    assert upgraded(rows, [weigh("a", "1")], upgrade_min_transactions=4, chunk_size=1) == [(5, "a")]


def test_upgrade_needs_both_rankings() -> None:
    rows = [buy("a"), buy("a"), buy("b")]
    assert upgraded(rows, [weigh("a", "1"), weigh("b", "2")]) == [(1, "a")]
    assert upgraded(rows, [weigh("a", "2"), weigh("b", "1")]) == []


def test_ties_share_the_smallest_rank_and_use_up_the_next_ones() -> None:
    # n = 11, so ranks 1 and 2 qualify. a and b share rank 1 by transactions; c is third, not second.
    others = [f"d{i}" for i in range(8)]
    rows = [buy("a")] * 5 + [buy("b")] * 5 + [buy("c")] * 4 + [buy(name) for name in others]
    weights = [weigh("a", "1"), weigh("b", "1"), weigh("c", "1"), *(weigh(name, "9") for name in others)]
    assert upgraded(rows, weights) == [(1, "a"), (1, "b")]


def test_tied_at_the_boundary_all_qualify() -> None:
    # n = 11. a is first by transactions, b, c and d share rank 2; by weight all four share rank 1.
    others = [f"e{i}" for i in range(7)]
    rows = [buy("a")] * 5 + [buy(name) for name in "bcd" for _ in range(4)] + [buy(name) for name in others]
    weights = [*(weigh(name, "1") for name in "abcd"), *(weigh(name, "9") for name in others)]
    assert upgraded(rows, weights) == [(1, "a"), (1, "b"), (1, "c"), (1, "d")]


def test_equal_mean_weights_tie_exactly() -> None:
    # In floating point (0.1 + 0.2) / 2 is more than 0.15, and b alone would be the lightest.
    rows = [buy("a"), buy("b")]
    weights = [weigh("a", "0.1"), weigh("a", "0.2"), weigh("b", "0.15")]
    assert upgraded(rows, weights, upgrade_percent=0) == [(1, "a"), (1, "b")]


def test_customer_without_a_weight_is_not_ranked_but_counts_for_the_merchant() -> None:
    rows = [buy("stranger")] * 3 + [buy("a")]
    weights = [weigh("a", "5"), weigh("stranger", "1", merchant="M2")]
    assert upgraded(rows, weights, upgrade_min_transactions=3) == [(1, "a")]


def test_customer_with_a_weight_is_ranked_only_once_seen_at_the_merchant() -> None:
    # b is lighter than a, but has bought nothing here before the third row: then both share the first rank by count.
    rows = [buy("a"), buy("b", "M2"), buy("b")]
    weights = [weigh("a", "2"), weigh("b", "1")]
    assert upgraded(rows, weights, chunk_size=1) == [(1, "a"), (3, "b")]


def test_upgrade_is_emitted_once_although_it_ends_and_holds_again() -> None:
    # a alone holds at chunk 1; b overtakes it by transactions at chunk 3, a draws level at chunk 4. b is never light.
    rows = [buy("a"), buy("b"), buy("b"), buy("a")]
    weights = [weigh("a", "1"), weigh("b", "2")]
    assert upgraded(rows, weights, chunk_size=1) == [(1, "a")]


def test_weight_is_of_customer_and_merchant_over_all_types() -> None:
    # a weighs (1 + 1 + 10) / 3 = 4 at M1, b weighs 5. What a weighs elsewhere says nothing.
    weights = [weigh("a", "1", kind="x"), weigh("a", "1", kind="x"), weigh("a", "10", kind="y"), weigh("b", "5")]
    elsewhere = [weigh("a", "1000", merchant="M2")]
    assert upgraded([buy("a"), buy("b")], weights + elsewhere) == [(1, "a")]


def test_weight_of_the_customer_is_the_mean_of_the_means_per_type() -> None:
    # a weighs (mean(1, 1) + mean(10)) / 2 = 5.5 wherever it bought, b weighs 5.
    weights = [weigh("a", "1", kind="x"), weigh("a", "1", "M2", kind="x"), weigh("a", "10", "M3", kind="y")]
    rows = [buy("a"), buy("b")]
    assert upgraded(rows, [*weights, weigh("b", "5", "M9")], weight_scope="customer") == [(1, "b")]
    assert upgraded(rows, [*weights, weigh("b", "6", "M9")], weight_scope="customer") == [(1, "a")]


def test_repeated_keys_of_the_importance_file_multiply_nothing() -> None:
    rows = [buy("a", amount="30"), buy("b", amount="30")]
    weights = [weigh("a", "1")] * 100 + [weigh("b", "1")]
    assert upgraded(rows, weights, upgrade_min_transactions=2, child_min_transactions=3) == []
    assert upgraded(rows, weights, upgrade_percent=0) == [(1, "a"), (1, "b")]


@given(
    customers=st.lists(st.tuples(st.integers(1, 6), st.integers(0, 6)), min_size=1, max_size=25),
    percent=st.integers(0, 100),
)
def test_percentiles_are_those_of_linear_interpolation(customers: list[tuple[int, int]], percent: int) -> None:
    rows = [buy(f"c{i:02}") for i, (count, _) in enumerate(customers) for _ in range(count)]
    weights = [weigh(f"c{i:02}", str(weight)) for i, (_, weight) in enumerate(customers)]
    most = quantile([count for count, _ in customers], Fraction(100 - percent, 100))
    light = quantile([weight for _, weight in customers], Fraction(percent, 100))
    expected = [(1, f"c{i:02}") for i, (count, weight) in enumerate(customers) if count >= most and weight <= light]
    assert upgraded(rows, weights, upgrade_percent=percent) == expected


def quantile(values: list[int], share: Fraction) -> Fraction:
    ordered = sorted(values)
    below, beyond = divmod(share * (len(ordered) - 1), 1)
    upper = ordered[min(below + 1, len(ordered) - 1)]
    return ordered[below] + beyond * (upper - ordered[below])
