"""The rules of design.md, section 2, in plain Python: what the product's detections and totals are compared with.

Written to be obviously right: integers and exact fractions only, one rule per function, every rule evaluated at every
chunk boundary over all totals. It shares no code with ``spark_jobs`` or ``plugins``. ``reference_rows`` reads the files for it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from itertools import chain, islice, repeat
from typing import Any, NamedTuple, TypeVar

from tests.reference_rows import Table, Transaction, chunks, read_importance, read_transactions

Key = tuple[str, str, str]
"""What names a detection: pattern, merchant, customer."""

Evidence = dict[str, Any]
"""The numbers by which a rule holds: integers, and decimals as text."""

Value = TypeVar("Value", int, Fraction)

DEFAULTS: Mapping[str, Any] = {
    "chunk_size": 10_000,
    "upgrade_percent": 10,
    "upgrade_min_transactions": 50_000,
    "weight_scope": "customer_merchant",
    "child_min_transactions": 80,
    "child_max_average": 23,
    "dei_min_female": 100,
}


class Detection(NamedTuple):
    """One finding; ``customer`` is empty where the pattern is of a merchant alone."""

    chunk: int
    pattern_id: str
    action_type: str
    customer: str
    merchant: str


class MerchantTotal(NamedTuple):
    """Final totals of a merchant; ``female`` and ``male`` are distinct customers seen as one gender only."""

    transactions: int
    female: int
    male: int


class PairTotal(NamedTuple):
    """Final totals of a customer at a merchant."""

    transactions: int
    amount: Decimal
    seen_female: bool
    seen_male: bool


class State(NamedTuple):
    """Final totals: by merchant, and by (merchant, customer)."""

    merchants: dict[str, MerchantTotal]
    pairs: dict[tuple[str, str], PairTotal]


@dataclass
class Merchant:
    """Running totals of one merchant, by customer."""

    transactions: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    cents: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    seen_female: set[str] = field(default_factory=set)
    seen_male: set[str] = field(default_factory=set)
    total_transactions: int = 0

    @property
    def female(self) -> int:
        """Number of customers seen as F and never as M."""
        return len(self.seen_female - self.seen_male)

    @property
    def male(self) -> int:
        """Number of customers seen as M and never as F."""
        return len(self.seen_male - self.seen_female)

    def add(self, transaction: Transaction) -> None:
        """Count one transaction."""
        self.total_transactions += 1
        self.transactions[transaction.customer] += 1
        self.cents[transaction.customer] += transaction.cents
        if transaction.gender == "F":
            self.seen_female.add(transaction.customer)
        if transaction.gender == "M":
            self.seen_male.add(transaction.customer)


@dataclass(frozen=True)
class Weights:
    """The exact weights by (merchant, customer), and their places in order, which compare as they do, and quickly."""

    exact: Mapping[tuple[str, str], Fraction]
    places: Mapping[tuple[str, str], int]

    @classmethod
    def of(cls, exact: Mapping[tuple[str, str], Fraction]) -> Weights:
        """Put weights in order."""
        order = smallest_ranks(exact.values())
        return cls(exact, {key: order[weight] for key, weight in exact.items()})


def detect(
    transactions: Table, importance: Table, settings: Mapping[str, Any] | None = None, sizes: Iterable[int] = ()
) -> list[Detection]:
    """Find every detection, in order; see :func:`detect_with_evidence`."""
    return list(detect_with_evidence(transactions, importance, settings, sizes))


def detect_with_evidence(
    transactions: Table, importance: Table, settings: Mapping[str, Any] | None = None, sizes: Iterable[int] = ()
) -> dict[Detection, Evidence]:
    """Find every detection, at the first chunk boundary at which its rule holds, and the numbers by which it holds there.

    Parameters
    ----------
    transactions, importance
        The two files, or their rows with the header first.
    settings
        What differs from ``DEFAULTS``; settings of no rule are ignored.
    sizes
        Rows of the first chunks, where they are not ``chunk_size``: of a file that grew after its short last chunk had landed.

    Returns
    -------
    dict of Detection to dict
        Ordered by chunk, pattern, merchant and customer; Python orders text by code point, UTF-8 bytes do the same.
    """
    rules = {**DEFAULTS, **(settings or {})}
    weights = Weights.of(read_importance(importance, rules["weight_scope"]))
    merchants: dict[str, Merchant] = defaultdict(Merchant)
    first: dict[Key, tuple[int, Evidence]] = {}
    sizes = chain(sizes, repeat(int(rules["chunk_size"])))
    for chunk, rows in enumerate(chunks(read_transactions(transactions), sizes), start=1):
        for key, evidence in holding(merchants, [row for row in rows if row is not None], weights, rules):
            first.setdefault(key, (chunk, evidence))

    actions = {"PatId1": "UPGRADE", "PatId2": "CHILD", "PatId3": "DEI-NEEDED"}
    return {
        Detection(chunk, pattern, actions[pattern], customer, merchant): first[pattern, merchant, customer][1]
        for chunk, pattern, merchant, customer in sorted((chunk, *key) for key, (chunk, _) in first.items())
    }


def holding(
    merchants: dict[str, Merchant], rows: Iterable[Transaction], weights: Weights, rules: Mapping[str, Any]
) -> list[tuple[Key, Evidence]]:
    """Add a chunk's rows to the totals, and give what the rules hold for at the boundary behind it."""
    touched = set()
    for row in rows:
        merchants[row.merchant].add(row)
        touched.add((row.merchant, row.customer))
    return [*upgrades(merchants, weights, rules), *children(merchants, touched, rules), *dei_needed(merchants, rules)]


def state(transactions: Table, source_rows: int | None = None) -> State:
    """Give the totals after the first ``source_rows`` rows of the source, bad ones counted; after all when ``None``."""
    merchants: dict[str, Merchant] = defaultdict(Merchant)
    for row in islice(read_transactions(transactions), source_rows):
        if row is not None:
            merchants[row.merchant].add(row)
    return State(
        {name: MerchantTotal(m.total_transactions, m.female, m.male) for name, m in merchants.items()},
        {
            (name, customer): PairTotal(
                count, Decimal(m.cents[customer]).scaleb(-2), customer in m.seen_female, customer in m.seen_male
            )
            for name, m in merchants.items()
            for customer, count in m.transactions.items()
        },
    )


def upgrades(merchants: Mapping[str, Merchant], weights: Weights, rules: Mapping[str, Any]) -> Iterator[tuple[Key, Evidence]]:
    """PatId1: customers in the top percent by transactions and in the bottom percent by weight."""
    percent = int(rules["upgrade_percent"])
    for name, merchant in merchants.items():
        if merchant.total_transactions <= int(rules["upgrade_min_transactions"]):
            continue
        keys = {who: ("" if rules["weight_scope"] == "customer" else name, who) for who in merchant.transactions}
        ranked = {who: key for who, key in keys.items() if key in weights.places}
        rank_by_transactions = smallest_ranks(-merchant.transactions[who] for who in ranked)  # descending
        rank_by_weight = smallest_ranks(weights.places[key] for key in ranked.values())
        allowed = percent * (len(ranked) - 1)
        active = [who for who in ranked if 100 * (rank_by_transactions[-merchant.transactions[who]] - 1) <= allowed]
        light = {who: key for who, key in ranked.items() if 100 * (rank_by_weight[weights.places[key]] - 1) <= allowed}
        for customer in light.keys() & set(active):
            yield (
                ("PatId1", name, customer),
                {
                    "transactions": merchant.transactions[customer],
                    "transactions_needed": min(merchant.transactions[who] for who in active),
                    "weight": f"{twelve_places(weights.exact[ranked[customer]]):f}",
                    "weight_limit": f"{twelve_places(max(weights.exact[key] for key in light.values())):f}",
                    "customers": len(ranked),
                    "upgrade_percent": percent,
                    "upgrade_min_transactions": int(rules["upgrade_min_transactions"]),
                },
            )


def children(
    merchants: Mapping[str, Merchant], touched: Iterable[tuple[str, str]], rules: Mapping[str, Any]
) -> Iterator[tuple[Key, Evidence]]:
    """PatId2: pairs with many small transactions. Only a pair of this chunk can newly qualify."""
    least, limit = int(rules["child_min_transactions"]), str(rules["child_max_average"])
    for name, customer in touched:
        count, cents = merchants[name].transactions[customer], merchants[name].cents[customer]
        if count >= least and Fraction(cents, 100 * count) < Fraction(limit):
            yield (
                ("PatId2", name, customer),
                {
                    "transactions": count,
                    "amount": f"{Decimal(cents).scaleb(-2):f}",
                    "child_min_transactions": least,
                    "child_max_average": limit,
                },
            )


def dei_needed(merchants: Mapping[str, Merchant], rules: Mapping[str, Any]) -> Iterator[tuple[Key, Evidence]]:
    """PatId3: merchants with many female customers, but fewer than male ones."""
    least = int(rules["dei_min_female"])
    for name, merchant in merchants.items():
        female, male = merchant.female, merchant.male
        if female > least and female < male:
            yield ("PatId3", name, ""), {"female": female, "male": male, "dei_min_female": least}


def twelve_places(weight: Fraction) -> Decimal:
    """Round an exact weight to the places of the ledger, half away from zero."""
    scaled = abs(weight) * 10**12
    rounded = (2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)
    return Decimal(rounded if weight >= 0 else -rounded).scaleb(-12)


def smallest_ranks(values: Iterable[Value]) -> dict[Value, int]:
    """Rank values ascending from 1; equal values share the smallest rank, as SQL's ``rank()`` has it."""
    ranks: dict[Value, int] = {}
    for position, value in enumerate(sorted(values), start=1):
        ranks.setdefault(value, position)
    return ranks
