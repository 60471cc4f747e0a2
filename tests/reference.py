"""The rules of design.md, section 2, in plain Python: what the product's detections and totals are compared with.

Written to be obviously right: integers and exact fractions only, one rule per function, every rule evaluated at every
chunk boundary over all totals. It shares no code with ``spark_jobs`` or ``plugins``. Quoting that is broken, carriage
returns inside a row and over-long rows are the business of landing and its tests; every other reason to reject a row is
known here.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

Table = Path | str | Iterable[Sequence[str]]
"""A CSV file, or its rows; the header comes first."""

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

AMOUNT = re.compile(r"[0-9]{1,13}(\.[0-9]{1,2})?")
# An exponent of three digits would be no amount of money, and take gigabytes as an exact number.
WEIGHT = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,2})?")


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


class Transaction(NamedTuple):
    """A good row, cleaned."""

    customer: str
    gender: str
    merchant: str
    cents: int


def detect(
    transactions: Table, importance: Table, settings: Mapping[str, Any] | None = None, sizes: Iterable[int] = ()
) -> list[Detection]:
    """Find every detection, at the first chunk boundary at which its rule holds.

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
    list of Detection
        Ordered by chunk, pattern, merchant and customer; Python orders text by code point, UTF-8 bytes do the same.
    """
    rules = {**DEFAULTS, **(settings or {})}
    weights = read_importance(importance, rules["weight_scope"])
    order = smallest_ranks(weights.values())
    places = {key: order[weight] for key, weight in weights.items()}  # compare as the weights do, and quickly
    merchants: dict[str, Merchant] = defaultdict(Merchant)
    first_chunk: dict[tuple[str, str, str], int] = {}
    sizes = chain(sizes, repeat(int(rules["chunk_size"])))
    for chunk, rows in enumerate(chunks(read_transactions(transactions), sizes), start=1):
        good = [row for row in rows if row is not None]
        for row in good:
            merchants[row.merchant].add(row)
        touched = {(row.merchant, row.customer) for row in good}
        for merchant, customer in upgrades(merchants, places, rules):
            first_chunk.setdefault(("PatId1", merchant, customer), chunk)
        for merchant, customer in children(merchants, touched, rules):
            first_chunk.setdefault(("PatId2", merchant, customer), chunk)
        for merchant in dei_needed(merchants, rules):
            first_chunk.setdefault(("PatId3", merchant, ""), chunk)

    actions = {"PatId1": "UPGRADE", "PatId2": "CHILD", "PatId3": "DEI-NEEDED"}
    found = sorted((chunk, *key) for key, chunk in first_chunk.items())
    return [Detection(chunk, pattern, actions[pattern], customer, merchant) for chunk, pattern, merchant, customer in found]


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


def upgrades(
    merchants: Mapping[str, Merchant], places: Mapping[tuple[str, str], int], rules: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """PatId1: (merchant, customer) in the top percent by transactions and in the bottom percent by weight."""
    percent = int(rules["upgrade_percent"])
    for name, merchant in merchants.items():
        if merchant.total_transactions <= int(rules["upgrade_min_transactions"]):
            continue
        ranked = {}  # customer -> (sorts by transactions descending, sorts by weight ascending)
        for customer, count in merchant.transactions.items():
            key = ("", customer) if rules["weight_scope"] == "customer" else (name, customer)
            if key in places:
                ranked[customer] = (-count, places[key])
        rank_by_transactions = smallest_ranks(count for count, _ in ranked.values())
        rank_by_weight = smallest_ranks(place for _, place in ranked.values())
        allowed = percent * (len(ranked) - 1)
        for customer, (count, place) in ranked.items():
            if 100 * (rank_by_transactions[count] - 1) <= allowed and 100 * (rank_by_weight[place] - 1) <= allowed:
                yield name, customer


def children(
    merchants: Mapping[str, Merchant], touched: Iterable[tuple[str, str]], rules: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """PatId2: (merchant, customer) with many small transactions. Only a pair of this chunk can newly qualify."""
    limit = Fraction(str(rules["child_max_average"]))
    for name, customer in touched:
        count = merchants[name].transactions[customer]
        average = Fraction(merchants[name].cents[customer], 100 * count)
        if count >= int(rules["child_min_transactions"]) and average < limit:
            yield name, customer


def dei_needed(merchants: Mapping[str, Merchant], rules: Mapping[str, Any]) -> Iterator[str]:
    """PatId3: merchants with many female customers, but fewer than male ones."""
    for name, merchant in merchants.items():
        female = merchant.female
        if female > int(rules["dei_min_female"]) and female < merchant.male:
            yield name


def smallest_ranks(values: Iterable[Value]) -> dict[Value, int]:
    """Rank values ascending from 1; equal values share the smallest rank, as SQL's ``rank()`` has it."""
    ranks: dict[Value, int] = {}
    for position, value in enumerate(sorted(values), start=1):
        ranks.setdefault(value, position)
    return ranks


def read_importance(importance: Table, weight_scope: str = "customer_merchant") -> dict[tuple[str, str], Fraction]:
    """Give the exact mean weights by (merchant, customer); by ("", customer) when ``weight_scope`` is ``customer``.

    A row whose weight is missing or is not a finite decimal is ignored.
    """
    if weight_scope not in ("customer_merchant", "customer"):
        raise ValueError(f"unknown weight_scope {weight_scope!r}")
    rows = read_table(importance)
    source, target, weight, kind = positions(next(rows, []), "Source", "Target", "Weight", "typeTrans")
    by_type: dict[tuple[str, str], dict[str, list[Fraction]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        values = [clean(value) for value in row] + [""] * (max(source, target, weight, kind) + 1 - len(row))
        if not WEIGHT.fullmatch(values[weight]):
            continue
        exact = Fraction(Decimal(values[weight]))
        if weight_scope == "customer":
            by_type["", values[source]][values[kind]].append(exact)
        else:
            by_type[values[target], values[source]]["any"].append(exact)
    return {key: mean([mean(weights) for weights in types.values()]) for key, types in by_type.items()}


def mean(values: Sequence[Fraction]) -> Fraction:
    """Divide the exact sum, once."""
    return sum(values, Fraction(0)) / len(values)


def read_transactions(transactions: Table) -> Iterator[Transaction | None]:
    """Yield every row of the source in order; ``None`` for one that landing rejects. Blank lines are no rows."""
    rows = read_table(transactions)
    header = next(rows, [])
    columns = positions(header, "customer", "gender", "merchant", "amount")
    for row in rows:
        if len(row) == len(header) and is_text("".join(row)):
            yield transaction(*(clean(row[column]) for column in columns))
        else:
            yield None


def transaction(customer: str, gender: str, merchant: str, amount: str) -> Transaction | None:
    """Read the cleaned values of a row; ``None`` when it has an empty or over-long id, or an amount that is none."""
    if not all(1 <= len(identity.encode()) <= 256 for identity in (customer, merchant)) or not AMOUNT.fullmatch(amount):
        return None
    units, _, hundredths = amount.partition(".")
    return Transaction(customer, gender.upper(), merchant, 100 * int(units) + int(hundredths.ljust(2, "0")))


def read_table(table: Table) -> Iterator[Sequence[str]]:
    """Yield the header and the rows, blank lines left out. Bytes that are not UTF-8 come as lone surrogates."""
    if isinstance(table, str | Path):
        with Path(table).open(encoding="utf-8-sig", errors="surrogateescape", newline="") as lines:
            yield from filter(None, csv.reader(lines))
    else:
        yield from filter(None, table)


def positions(header: Sequence[str], *names: str) -> list[int]:
    """Find columns by name; ``ValueError`` names one that is not there."""
    return [[clean(column) for column in header].index(name) for name in names]


def clean(value: str) -> str:
    """Strip what BankSim wraps text in: single quotes, and spaces around them."""
    return value.strip(" '")


def is_text(value: str) -> bool:
    """Tell whether the bytes behind a value were UTF-8, and none of them NUL, which PostgreSQL cannot hold."""
    return "\0" not in value and (value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value))


def chunks(rows: Iterator[Transaction | None], sizes: Iterator[int]) -> Iterator[list[Transaction | None]]:
    """Cut the source into chunks of these sizes, bad rows counted; the last may be shorter."""
    while chunk := list(islice(rows, next(sizes))):
        yield chunk
