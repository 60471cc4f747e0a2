"""Reads the two files of a feed for the reference: every reason to reject a row that ``csv`` does not hide is known here.

Quoting that is broken, carriage returns inside a row and over-long rows are the business of landing and its tests. Like the
reference it shares no code with ``spark_jobs`` or ``plugins``.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import NamedTuple

Table = Path | str | Iterable[Sequence[str]]
"""A CSV file, or its rows; the header comes first."""

AMOUNT = re.compile(r"[0-9]{1,13}(\.[0-9]{1,2})?")
# An exponent of three digits would be no amount of money, and take gigabytes as an exact number.
WEIGHT = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,2})?")


class Transaction(NamedTuple):
    """A good row, cleaned."""

    customer: str
    gender: str
    merchant: str
    cents: int


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
