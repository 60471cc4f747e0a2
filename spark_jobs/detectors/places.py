"""Which places of a merchant's customers qualify for PatId1, and what a customer needs for that, at each boundary of a batch.

Of n customers, those qualify whose rank fulfils ``100 * (rank - 1) <= percent * (n - 1)``: that is, at most
``percent * (n - 1) // 100`` customers stand before them. Whole numbers: the same set as quantiles with linear interpolation,
without their rounding. So the next one in order is the last whose value qualifies, and all that tie with it.

A weight does not change, so new customers alone decide on the limit by weight: it needs no row of the batch, and no old customer
but those around the last place. The limit by transactions follows from how many customers have how many transactions: some
hundred numbers, of which a few change at each boundary.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple


class KnownWeight(NamedTuple):
    """A row of kind ``weight`` of ``batch_state``.

    Attributes
    ----------
    merchant
        The merchant.
    ranked_before
        Whether it had enough transactions before the batch to be ranked; else it comes to that within the batch.
    customers
        How many of its customers had a weight before the batch.
    chunk
        The first chunk of a new customer; 0: it was seen before the batch.
    weight
        Its weight.
    place
        Its place by weight before the batch, counted from 1; ``None`` for a new one.
    """

    merchant: str
    ranked_before: bool
    customers: int
    chunk: int
    weight: Decimal
    place: int | None


class Limit(NamedTuple):
    """What qualifies at a boundary: the ``place``-th by transactions and all before it, weights of at most ``most_weight``.

    ``customers`` is how many customers have a weight there.
    """

    merchant: str
    chunk: int
    place: int
    most_weight: Decimal
    customers: int


class Move(NamedTuple):
    """How many customers come to a number of transactions, or leave it (then less than zero).

    Attributes
    ----------
    chunk
        At which boundary; 0: they had it before the batch.
    transactions, customers
        The two numbers.
    """

    chunk: int
    transactions: int
    customers: int


def last_place(customers: int, percent: int) -> int:
    """Give the last place that qualifies among so many customers; there is at least one."""
    return percent * (customers - 1) // 100 + 1


def limits(weights: Iterable[KnownWeight], percent: int, first_chunk: int, last_chunk: int) -> dict[str, list[Limit]]:
    """Give the limits of every merchant at every boundary of the batch at which it has a customer with a weight.

    Those of a merchant follow one another, from its first boundary to the batch's last.

    Parameters
    ----------
    weights
        Of customers seen before, those that the last place may come to; all new ones.
    percent
        The setting ``upgrade_percent``.
    first_chunk, last_chunk
        The batch's chunks, both included.
    """
    merchants: dict[str, list[KnownWeight]] = defaultdict(list)
    for known in weights:
        merchants[known.merchant].append(known)
    chunks = range(first_chunk, last_chunk + 1)
    return {merchant: list(_limits_of(merchant, rows, percent, chunks)) for merchant, rows in merchants.items()}


def _limits_of(merchant: str, rows: list[KnownWeight], percent: int, chunks: range) -> Iterator[Limit]:
    new: dict[int, list[Decimal]] = defaultdict(list)
    for known in rows:
        if known.place is None:
            new[known.chunk].append(known.weight)
    before = sorted((known.place, known.weight) for known in rows if known.place is not None)
    below = before[0][0] - 1 if before else 0
    # The last place never goes back: two heaps, of the weights up to it (the largest on top) and of those behind it.
    low: list[Decimal] = []
    high = [weight for _, weight in before]
    customers = rows[0].customers
    for chunk in chunks:
        for weight in new[chunk]:
            heapq.heappush(high, -heapq.heappushpop(low, -weight))
        customers += len(new[chunk])
        if customers == 0:
            continue
        place = last_place(customers, percent)
        while below + len(low) < place:
            heapq.heappush(low, -heapq.heappop(high))
        yield Limit(merchant, chunk, place, -low[0], customers)


def least_transactions(limits: Iterable[Limit], moves: Sequence[Move]) -> Iterator[int]:
    """Give, for each of a merchant's limits, how many transactions the customer at its ``place`` has.

    Parameters
    ----------
    limits
        In the order of their boundaries.
    moves
        Of the merchant's customers that have a weight; those that stay below the result throughout may be missing.
    """
    to_come = sorted(moves, key=lambda move: move.chunk, reverse=True)
    customers: Counter[int] = Counter()
    for limit in limits:
        while to_come and to_come[-1].chunk <= limit.chunk:
            move = to_come.pop()
            customers[move.transactions] += move.customers
        from_top = sorted(customers, reverse=True)
        standing = itertools.accumulate(customers[transactions] for transactions in from_top)
        yield next(transactions for transactions, place in zip(from_top, standing, strict=True) if place >= limit.place)
