"""The settings of a feed: what is taken, what is refused, and how they look as JSON."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, fields
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.errors import FeedError, FeedSettingsError
from feeds.settings import FeedSettings

DEFAULTS = {
    "chunk_size": 10_000,
    "interval_seconds": 1,
    "upgrade_percent": 10,
    "upgrade_min_transactions": 50_000,
    "weight_scope": "customer_merchant",
    "child_min_transactions": 80,
    "child_max_average": 23,
    "dei_min_female": 100,
    "detections_per_file": 50,
    "linger_seconds": 60,
    "max_reject_percent": 1,
}
"""The table of design.md, section 2."""

WHOLE = (
    "chunk_size",
    "upgrade_percent",
    "upgrade_min_transactions",
    "child_min_transactions",
    "dei_min_female",
    "detections_per_file",
)
DECIMAL = ("interval_seconds", "child_max_average", "linger_seconds", "max_reject_percent")


def test_the_defaults_are_those_of_the_exercise() -> None:
    assert FeedSettings().as_json() == DEFAULTS
    assert FeedSettings.parse({}) == FeedSettings()


def test_every_setting_is_described() -> None:
    for item in fields(FeedSettings):
        assert item.metadata["description"].endswith(".")
        assert item.metadata["schema"]["type"] in ("integer", "number", "string")


def test_settings_do_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        FeedSettings().chunk_size = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("chunk_size", 500, 500),
        ("chunk_size", "500", 500),
        ("chunk_size", 500.0, 500),
        ("chunk_size", "5e2", 500),
        ("chunk_size", 1, 1),
        ("chunk_size", 1_000_000, 1_000_000),
        ("interval_seconds", 0, Decimal(0)),
        ("interval_seconds", "0.25", Decimal("0.25")),
        ("child_max_average", 22.9, Decimal("22.9")),
        ("child_max_average", "22.90", Decimal("22.9")),
        ("child_max_average", Decimal("22.99"), Decimal("22.99")),
        ("upgrade_percent", 0, 0),
        ("upgrade_percent", 100, 100),
        ("max_reject_percent", 0.1, Decimal("0.1")),
        ("max_reject_percent", 100, Decimal(100)),
        ("dei_min_female", "0", 0),
        ("weight_scope", "customer", "customer"),
    ],
)
def test_parse_takes(name: str, value: Any, expected: Any) -> None:
    settings = FeedSettings.parse({name: value})
    taken = getattr(settings, name)
    assert taken == expected
    assert type(taken) is type(expected)
    assert {key for key, given_value in settings.as_json().items() if given_value != DEFAULTS[key]} <= {name}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("chunk_size", 0, "chunk_size is 0; it is at least 1 and at most 1000000"),
        ("chunk_size", -5, "chunk_size is -5; it is at least 1 and at most 1000000"),
        ("chunk_size", 1_000_001, "chunk_size is 1000001; it is at least 1 and at most 1000000"),
        ("chunk_size", 10.5, "chunk_size is 10.5; it is a whole number"),
        ("chunk_size", "many", "chunk_size is 'many'; it is a whole number"),
        ("chunk_size", "", "chunk_size is ''; it is a whole number"),
        ("chunk_size", None, "chunk_size is None; it is a whole number"),
        ("chunk_size", True, "chunk_size is True; it is a whole number"),
        ("chunk_size", [10], "chunk_size is [10]; it is a whole number"),
        ("interval_seconds", -0.5, "interval_seconds is -0.5; it is at least 0 and at most 86400"),
        ("interval_seconds", "-1", "interval_seconds is -1; it is at least 0 and at most 86400"),
        ("interval_seconds", float("nan"), "interval_seconds is nan; it is a number"),
        ("interval_seconds", "Infinity", "interval_seconds is 'Infinity'; it is a number"),
        ("interval_seconds", False, "interval_seconds is False; it is a number"),
        ("upgrade_percent", 101, "upgrade_percent is 101; it is at least 0 and at most 100"),
        ("upgrade_min_transactions", -1, "upgrade_min_transactions is -1; it is at least 0 and at most 1000000000000"),
        ("child_min_transactions", 0, "child_min_transactions is 0; it is at least 1 and at most 1000000000000"),
        ("child_max_average", "23,5", "child_max_average is '23,5'; it is a number"),
        ("dei_min_female", -1, "dei_min_female is -1; it is at least 0 and at most 1000000000000"),
        ("detections_per_file", 0, "detections_per_file is 0; it is at least 1 and at most 1000000"),
        ("linger_seconds", float("inf"), "linger_seconds is inf; it is a number"),
        ("max_reject_percent", "100.01", "max_reject_percent is 100.01; it is at least 0 and at most 100"),
        ("child_max_average", 1_000_000_000, "child_max_average is 1000000000; it is at least 0 and at most 999999999"),
        ("child_max_average", "22.1234567", "child_max_average is 22.1234567; it has at most 6 decimals"),
        ("weight_scope", "merchant", "weight_scope is 'merchant'; it is one of customer_merchant, customer"),
        ("weight_scope", None, "weight_scope is None; it is one of customer_merchant, customer"),
        ("weight_scope", 1, "weight_scope is 1; it is one of customer_merchant, customer"),
    ],
)
def test_parse_refuses(name: str, value: Any, message: str) -> None:
    with pytest.raises(FeedSettingsError) as refused:
        FeedSettings.parse({name: value})
    assert str(refused.value) == message


def test_parse_names_what_it_does_not_know_and_what_it_does() -> None:
    with pytest.raises(FeedSettingsError) as refused:
        FeedSettings.parse({"chunksize": 1, "Interval": 0, "chunk_size": 5})
    assert str(refused.value) == f"unknown setting Interval, chunksize; the settings are {', '.join(DEFAULTS)}"


def test_a_wrong_setting_is_not_worth_a_retry() -> None:
    assert issubclass(FeedSettingsError, FeedError)


def _whole(name: str) -> st.SearchStrategy[int]:
    schema = next(item for item in fields(FeedSettings) if item.name == name).metadata["schema"]
    return st.integers(schema["minimum"], schema.get("maximum", 10**9))


VALUES: dict[str, st.SearchStrategy[Any]] = {
    **{name: _whole(name) for name in WHOLE},
    **{name: st.decimals(0, 100, places=3) for name in DECIMAL},
    "weight_scope": st.sampled_from(["customer", "customer_merchant"]),
}


@given(st.fixed_dictionaries({}, optional=VALUES))
def test_what_is_written_as_json_is_read_as_the_same(given_values: dict[str, Any]) -> None:
    settings = FeedSettings.parse(given_values)
    assert FeedSettings.parse(json.loads(json.dumps(settings.as_json()))) == settings


@given(st.fixed_dictionaries({}, optional=VALUES))
def test_numbers_may_come_as_text(given_values: dict[str, Any]) -> None:
    as_text = {name: str(value) for name, value in given_values.items()}
    assert FeedSettings.parse(as_text) == FeedSettings.parse(given_values)
