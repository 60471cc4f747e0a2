"""Rows of hand-made feeds, and settings that silence a rule."""

from __future__ import annotations

from collections.abc import Sequence

HEADER = ["step", "customer", "age", "gender", "zipcodeOri", "merchant", "zipMerchant", "category", "amount", "fraud"]
IMPORTANCE_HEADER = ["Source", "Target", "Weight", "typeTrans", "fraud"]

# Settings under which a rule finds nothing, so that a test sees the one that it is about.
NO_UPGRADE = {"upgrade_min_transactions": 10**9}
NO_CHILD = {"child_min_transactions": 10**9}
NO_DEI = {"dei_min_female": 10**9}

Row = Sequence[str]


def buy(customer: str, merchant: str = "M1", amount: str = "10.00", gender: str = "F") -> Row:
    """Make a transaction."""
    return ["0", f"'{customer}'", "'3'", f"'{gender}'", "'28007'", f"'{merchant}'", "'28007'", "'es_food'", amount, "0"]


def weigh(customer: str, weight: str, merchant: str = "M1", kind: str = "es_food") -> Row:
    """Make a row of importance."""
    return [f"'{customer}'", f"'{merchant}'", weight, f"'{kind}'", "0"]


def feed(*rows: Row) -> list[Row]:
    """Put the header over transactions."""
    return [HEADER, *rows]


def importance(*rows: Row) -> list[Row]:
    """Put the header over importance."""
    return [IMPORTANCE_HEADER, *rows]
