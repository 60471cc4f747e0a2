"""The limits of PatId1, against ranks worked out one by one."""

from __future__ import annotations

import itertools
from collections import Counter
from decimal import Decimal
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from detectors.places import KnownWeight, Limit, Move, last_place, least_transactions, limits

CHUNKS = 4
customers = st.lists(st.tuples(st.integers(0, CHUNKS), st.integers(-3, 9).map(Decimal)), max_size=40)


@given(st.integers(1, 500), st.integers(0, 100))
def test_last_place_is_the_last_rank_that_qualifies(n: int, percent: int) -> None:
    qualifies = [rank for rank in range(1, n + 1) if 100 * (rank - 1) <= percent * (n - 1)]
    assert last_place(n, percent) == qualifies[-1]


def known(seen: list[tuple[int, Decimal]], percent: int) -> list[KnownWeight]:
    """What the view gives for customers (first chunk, weight): of the old ones those around the last place alone."""
    old = sorted(weight for chunk, weight in seen if chunk == 0)
    new = [(chunk, weight) for chunk, weight in seen if chunk > 0]
    first = max(1, last_place(len(old), percent) - len(new)) if old else 1
    last = last_place(len(seen), percent)
    places = [(place, weight) for place, weight in enumerate(old, start=1) if first <= place <= last]
    return [
        *(KnownWeight("M", True, len(old), chunk, weight, None) for chunk, weight in new),
        *(KnownWeight("M", True, len(old), 0, weight, place) for place, weight in reversed(places)),
    ]


@given(customers.filter(bool), st.integers(0, 100))
def test_limits_are_those_of_all_weights_in_order(seen: list[tuple[int, Decimal]], percent: int) -> None:
    expected = []
    for chunk in range(1, CHUNKS + 1):
        weights = sorted(weight for first, weight in seen if first <= chunk)
        if weights:
            place = last_place(len(weights), percent)
            expected.append(Limit("M", chunk, place, weights[place - 1], len(weights)))
    assert limits(known(seen, percent), percent, 1, CHUNKS) == {"M": expected}


def test_merchants_do_not_meet() -> None:
    rows = [KnownWeight("A", True, 0, 2, Decimal(5), None), KnownWeight("B", False, 1, 0, Decimal(7), 1)]
    assert limits(rows, 10, 1, 2) == {
        "A": [Limit("A", 2, 1, Decimal(5), 1)],
        "B": [Limit("B", 1, 1, Decimal(7), 1), Limit("B", 2, 1, Decimal(7), 1)],
    }


bought = st.lists(st.lists(st.integers(0, 4), min_size=CHUNKS + 1, max_size=CHUNKS + 1).filter(any), min_size=1, max_size=30)


def moved(customers: list[list[int]]) -> list[Move]:
    """What the batch gives for customers, of whom each has as many transactions of each chunk; those of 0 were before it."""
    moves: Counter[tuple[int, int]] = Counter()
    for added in customers:
        before = 0
        for chunk, transactions in enumerate(itertools.accumulate(added)):
            if transactions > before:
                moves[chunk, transactions] += 1
                if before:
                    moves[chunk, before] -= 1
            before = transactions
    return [Move(chunk, transactions, customers) for (chunk, transactions), customers in moves.items()]


@given(bought, st.integers(0, 100), st.randoms())
def test_the_last_place_by_transactions_is_that_of_all_in_order(customers: list[list[int]], percent: int, random: Random) -> None:
    asked, expected = [], []
    for chunk in range(1, CHUNKS + 1):
        totals = sorted(filter(None, (sum(added[: chunk + 1]) for added in customers)), reverse=True)
        if totals:
            place = last_place(len(totals), percent)
            asked.append(Limit("M", chunk, place, Decimal(1), len(totals)))
            expected.append(totals[place - 1])
    moves = moved(customers)
    random.shuffle(moves)
    assert list(least_transactions(asked, moves)) == expected
    assert list(least_transactions(asked[1:], moves)) == expected[1:]  # a merchant counts from a later boundary on


def test_who_stays_below_the_result_need_not_be_there() -> None:
    # Two have three transactions before the batch; one of those below comes to four at chunk 2, and is read for that.
    moves = [Move(0, 3, 2), Move(2, 4, 1), Move(2, 1, -1)]
    asked = [Limit("M", chunk, 2, Decimal(1), 9) for chunk in (1, 2)]
    assert list(least_transactions(asked, moves)) == [3, 3]
