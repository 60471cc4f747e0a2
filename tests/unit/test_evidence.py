"""The sentence of a detection: true as it stands there, whatever the numbers are."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from feeds.evidence import NOT_KEPT, explain

UPGRADE = {
    "transactions": 212,
    "transactions_needed": 187,
    "weight": "0.431200000000",
    "weight_limit": "0.512000000000",
    "customers": 1812,
    "upgrade_percent": 10,
    "upgrade_min_transactions": 50_000,
}
CHILD = {"transactions": 84, "amount": "1882.44", "child_min_transactions": 80, "child_max_average": "23"}
DEI_NEEDED = {"female": 101, "male": 140, "dei_min_female": 100}


@pytest.mark.parametrize(
    ("pattern_id", "evidence", "sentence"),
    [
        (
            "PatId1",
            UPGRADE,
            "212 transactions (at least 187 needed), weight 0.4312 (at most 0.5120), of 1,812 customers; "
            "merchant has more than 50,000 transactions",
        ),
        (
            "PatId1",
            {
                "transactions": 1, "transactions_needed": 1, "weight": "-1234.500000000000", "weight_limit": "-1234.500000000000",
                "customers": 1, "upgrade_percent": 0, "upgrade_min_transactions": 0,
            },
            "1 transaction (at least 1 needed), weight -1,234.5000 (at most -1,234.5000), of 1 customer; "
            "merchant has more than 0 transactions",
        ),
        ("PatId2", CHILD, "84 transactions, average 22.41 < 23"),
        ("PatId2", CHILD | {"transactions": 1, "amount": "0.00"}, "1 transaction, average 0.00 < 23"),
        (
            "PatId2",
            CHILD | {"transactions": 12_345, "amount": "25318654.20", "child_max_average": "2345.675"},
            "12,345 transactions, average 2,050.92 < 2,345.675",
        ),
        ("PatId3", DEI_NEEDED, "101 female customers > 100, fewer than 140 male ones"),
        ("PatId3", {"female": 1, "male": 1234, "dei_min_female": 0}, "1 female customer > 0, fewer than 1,234 male ones"),
        ("PatId4", {"thing": 7, "limit": "1.5"}, "thing 7, limit 1.5"),
    ],
)  # fmt: skip
def test_sentence(pattern_id: str, evidence: dict[str, Any], sentence: str) -> None:
    assert explain(pattern_id, evidence) == sentence


@pytest.mark.parametrize("pattern_id", ["PatId1", "PatId2", "PatId3", "PatId4"])
def test_evidence_that_was_not_kept(pattern_id: str) -> None:
    assert explain(pattern_id, None) == NOT_KEPT == "not kept: detected by an older version"


@pytest.mark.parametrize(
    ("transactions", "amount", "shown"),
    [
        (500, "11499.00", "22.998"),  # in two places 23.00
        (100, "2299.99", "22.9999"),
        (80, "1839.60", "22.995"),
        (80, "1839.52", "22.99"),
        (3, "68.99", "22.997"),
        (9_999_999, "229999976.99", "22.999999999"),
    ],
)
def test_an_average_is_not_rounded_to_its_limit(transactions: int, amount: str, shown: str) -> None:
    assert explain("PatId2", CHILD | {"transactions": transactions, "amount": amount}).endswith(f"average {shown} < 23")


amounts = st.integers(0, 10**17).map(lambda cents: f"{Decimal(cents).scaleb(-2):f}")
limits = st.decimals("0.0001", "999999999.9999", places=4).map(str)
weights = st.decimals("-10", "10", places=12).map(lambda weight: f"{weight:f}")


def shown(sentence: str) -> list[Decimal]:
    return [Decimal(number.replace(",", "")) for number in re.findall(r"-?\d[\d,]*(?:\.\d+)?", sentence)]


@given(st.integers(1, 10**7), amounts, limits)
def test_what_is_said_of_an_average_is_true(transactions: int, amount: str, limit: str) -> None:
    average = Fraction(amount) / transactions
    assume(average < Fraction(limit))
    said = CHILD | {"transactions": transactions, "amount": amount, "child_max_average": limit}
    count, about, below = shown(explain("PatId2", said))
    assert (count, below) == (Decimal(transactions), Decimal(limit))
    assert about < below
    assert abs(Fraction(about) - average) <= Fraction(1, 200)


@given(weights, weights)
def test_what_is_said_of_weights_is_true(one: str, other: str) -> None:
    weight, limit = sorted((one, other), key=Decimal)
    _, _, said, at_most, *_ = shown(explain("PatId1", UPGRADE | {"weight": weight, "weight_limit": limit}))
    assert (said < at_most) == (Decimal(weight) < Decimal(limit))
    assert said <= at_most
    assert abs(said - Decimal(weight)) <= Decimal("0.00005")
