"""The settings of a feed: names, defaults and limits, the same in the trigger form, in files, in the ledger and in the job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from decimal import Decimal, InvalidOperation
from typing import Any

from feeds.errors import FeedSettingsError

RULES = (
    "upgrade_percent",
    "upgrade_min_transactions",
    "weight_scope",
    "child_min_transactions",
    "child_max_average",
    "dei_min_female",
)
"""The settings that decide what is detected: the job is told them, and a rebuild may change them."""

REJECT_LIMIT = "max_reject_percent"
"""The setting that a later run may change: it decides whether a batch may take its chunks, never what comes of them."""

_DAY = 86_400
_MANY = 1_000_000_000_000
_MAX_DECIMALS = 6

NEW_FEED = "A new feed: its files and its pace"
_RULES = "Rules of the patterns: of a new feed, or of a rebuild"
_BAD_ROWS = "Rejected rows"


def _setting(default: Any, title: str, section: str, description: str, **schema: Any) -> Any:
    return field(default=default, metadata={"title": title, "section": section, "description": description, "schema": schema})


@dataclass(frozen=True)
class FeedSettings:
    """The numbers of the exercise, fixed when a feed starts (design.md, section 2), but for ``REJECT_LIMIT``.

    ``metadata`` of each field is what the trigger form shows of it; its ``schema`` is a JSON schema, which :meth:`parse` keeps to
    as well.
    """

    chunk_size: int = _setting(
        10_000,
        "Rows per chunk",
        NEW_FEED,
        "Rows of the transactions file in a chunk.",
        type="integer",
        minimum=1,
        maximum=1_000_000,
    )
    interval_seconds: Decimal = _setting(
        Decimal(1),
        "Seconds per chunk",
        NEW_FEED,
        "A chunk comes due this many seconds after the one before; 0: all at once.",
        type="number",
        minimum=0,
        maximum=_DAY,
    )
    upgrade_percent: int = _setting(
        10,
        "PatId1: top and bottom percent",
        _RULES,
        "The customer is in the top percent of the merchant's customers by transactions, and in the bottom percent by weight.",
        type="integer",
        minimum=0,
        maximum=100,
    )
    upgrade_min_transactions: int = _setting(
        50_000,
        "PatId1: the merchant's transactions, more than",
        _RULES,
        "The merchant has more transactions than this.",
        type="integer",
        minimum=0,
        maximum=_MANY,
    )
    weight_scope: str = _setting(
        "customer_merchant",
        "PatId1: weight of a customer",
        _RULES,
        "customer_merchant: its mean weight with that merchant. customer: the mean over its transaction types.",
        type="string",
        enum=["customer_merchant", "customer"],
    )
    child_min_transactions: int = _setting(
        80,
        "PatId2: the customer's transactions, at least",
        _RULES,
        "The customer has at least this many transactions with the merchant.",
        type="integer",
        minimum=1,
        maximum=_MANY,
    )
    child_max_average: Decimal = _setting(
        # Of more digits the job's exact arithmetic has no room for (spark_jobs/detectors/child.py).
        Decimal(23),
        "PatId2: their average amount, below",
        _RULES,
        "The average amount of these transactions is below this.",
        type="number",
        minimum=0,
        maximum=999_999_999,
    )
    dei_min_female: int = _setting(
        100,
        "PatId3: female customers, more than",
        _RULES,
        "The merchant has more female customers than this, and fewer than male ones.",
        type="integer",
        minimum=0,
        maximum=_MANY,
    )
    detections_per_file: int = _setting(
        50, "Detections per file", NEW_FEED, "Rows of a full detection file.", type="integer", minimum=1, maximum=1_000_000
    )
    linger_seconds: Decimal = _setting(
        Decimal(60),
        "Longest wait of a detection",
        NEW_FEED,
        "Fewer than a full file are written once the oldest of them has waited this many seconds.",
        type="number",
        minimum=0,
        maximum=_DAY,
    )
    max_reject_percent: Decimal = _setting(
        Decimal(1),
        "Rejected rows of a chunk, at most percent",
        _BAD_ROWS,
        "A batch fails when more than this percent of a chunk's rows are rejected.",
        type="number",
        minimum=0,
        maximum=100,
    )

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> FeedSettings:
        """Read settings from JSON values; what is not given keeps its default.

        Raises
        ------
        FeedSettingsError
            A name is unknown or a value is out of its range.
        """
        known = {f.name: f for f in fields(cls)}
        if unknown := sorted(set(given) - set(known)):
            raise FeedSettingsError(f"unknown setting {', '.join(unknown)}; the settings are {', '.join(known)}")
        return cls(**{name: _checked(name, value, known[name].metadata["schema"]) for name, value in given.items()})

    def as_json(self) -> dict[str, Any]:
        """Give all settings as JSON values, in their order; a whole number stays one."""
        return {name: _plain(value) for name, value in asdict(self).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value


def _checked(name: str, value: Any, schema: Mapping[str, Any]) -> Any:
    if schema["type"] == "string":
        if value not in schema["enum"]:
            raise FeedSettingsError(f"{name} is {value!r}; it is one of {', '.join(schema['enum'])}")
        return value
    try:
        # A number may arrive as JSON number or as text (command line, form); through str(), 22.9 stays 22.9.
        number = Decimal(str(value))
        whole = number.is_finite() and number == number.to_integral_value()
    except InvalidOperation:
        number, whole = Decimal("NaN"), False
    if isinstance(value, bool) or not number.is_finite() or (schema["type"] == "integer" and not whole):
        raise FeedSettingsError(f"{name} is {value!r}; it is {'a whole number' if schema['type'] == 'integer' else 'a number'}")
    if number < schema["minimum"] or number > schema.get("maximum", number):
        limit = f"at least {schema['minimum']}" + (f" and at most {schema['maximum']}" if "maximum" in schema else "")
        raise FeedSettingsError(f"{name} is {value}; it is {limit}")
    if number != round(number, _MAX_DECIMALS):
        raise FeedSettingsError(f"{name} is {value}; it has at most {_MAX_DECIMALS} decimals")
    return int(number) if schema["type"] == "integer" else number
