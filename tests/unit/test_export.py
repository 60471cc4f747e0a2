"""When a detection file is written, and its exact bytes. The writing itself: tests/integration/test_commit_and_export.py."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.export import ist, render_file, rows_due

HEADER = b"YStartTime,detectionTime,patternId,ActionType,customerName,MerchantId\n"
STARTED = datetime(2026, 11, 23, 2, 30, tzinfo=UTC)


def _waiting(count: int, **changes: Any) -> dict[str, Any]:
    """A feed with ``count`` detections behind the 120 that files hold."""
    feed = {
        "detections_per_file": 50,
        "linger_seconds": 60,
        "exhausted": False,
        "last_ordinal": 120,
        "newest_ordinal": 120 + count,
        "oldest_seconds": 5.0 if count else None,
    }
    return feed | changes


@pytest.mark.parametrize(
    ("count", "changes", "flush", "due"),
    [
        # Nothing waits: there is nothing to write, whoever asks.
        (0, {}, False, 0),
        (0, {}, True, 0),
        (0, {"exhausted": True}, True, 0),
        # A full file is always due, and never more than one at a time.
        (50, {}, False, 50),
        (51, {}, False, 50),
        (149, {}, True, 50),
        (149, {"exhausted": True}, False, 50),
        (50, {"oldest_seconds": 0.0}, False, 50),
        # A rest waits ...
        (1, {}, False, 0),
        (49, {}, False, 0),
        # ... until a run asks for it, the feed is exhausted, or it has waited for longer than linger_seconds.
        (49, {}, True, 49),
        (1, {"exhausted": True}, False, 1),
        (49, {"oldest_seconds": 59.9}, False, 0),
        (49, {"oldest_seconds": 60.0}, False, 0),
        (49, {"oldest_seconds": 60.1}, False, 49),
        (1, {"oldest_seconds": 0.1, "linger_seconds": 0}, False, 1),
        # The sizes are the feed's own.
        (3, {"detections_per_file": 1}, False, 1),
        (3, {"detections_per_file": 4}, False, 0),
        (3, {"detections_per_file": 4}, True, 3),
    ],
)
def test_rows_due(count: int, changes: dict[str, Any], flush: bool, due: int) -> None:
    assert rows_due(_waiting(count, **changes), flush=flush) == due


def _detection(**changes: Any) -> dict[str, Any]:
    row = {
        "started_at": STARTED,
        "detected_at": datetime(2026, 11, 23, 18, 29, 59, 999_999, tzinfo=UTC),
        "pattern_id": "PatId2",
        "action_type": "CHILD",
        "customer": "C1093826151",
        "merchant": "M348934600",
    }
    return row | changes


def test_a_file_has_these_bytes() -> None:
    rows = [
        _detection(pattern_id="PatId1", action_type="UPGRADE"),
        _detection(),
        _detection(pattern_id="PatId3", action_type="DEI-NEEDED", customer=""),
    ]
    assert render_file(rows) == HEADER + (
        b"2026-11-23T08:00:00+05:30,2026-11-23T23:59:59+05:30,PatId1,UPGRADE,C1093826151,M348934600\n"
        b"2026-11-23T08:00:00+05:30,2026-11-23T23:59:59+05:30,PatId2,CHILD,C1093826151,M348934600\n"
        b"2026-11-23T08:00:00+05:30,2026-11-23T23:59:59+05:30,PatId3,DEI-NEEDED,,M348934600\n"
    )


def test_a_file_without_rows_has_its_header() -> None:
    assert render_file([]) == HEADER


@pytest.mark.parametrize(
    ("customer", "field"),
    [
        ("C1", b"C1"),
        ("C,1", b'"C,1"'),
        ('C"1', b'"C""1"'),
        ("C\n1", b'"C\n1"'),
        ("C\r1", b'"C\r1"'),
        (" C1 ", b" C1 "),
        ("Zoë Ω", "Zoë Ω".encode()),
        ("=1+1", b"=1+1"),
    ],
)
def test_what_would_break_a_row_is_quoted(customer: str, field: bytes) -> None:
    row = render_file([_detection(customer=customer)]).removeprefix(HEADER)
    assert row == b"2026-11-23T08:00:00+05:30,2026-11-23T23:59:59+05:30,PatId2,CHILD," + field + b",M348934600\n"


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@A1", "\t=1", "\r=1", "=cmd|' /C calc'!A0", '=HYPERLINK("http://x.example")']
)
def test_what_a_spreadsheet_takes_for_a_formula_is_not_altered(text: str) -> None:
    """An id is compared with those of other systems: the README says how to open a file safely."""
    _, row = csv.reader(io.StringIO(render_file([_detection(customer=text, merchant=text)]).decode(), newline=""))
    assert row[4:] == [text, text]


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), st.text(st.sampled_from("ab,\"\n' ")))
def test_a_reader_of_csv_gets_back_what_was_written(customer: str, merchant: str) -> None:
    data = render_file([_detection(customer=customer, merchant=merchant)])
    _, row = csv.reader(io.StringIO(data.decode(), newline=""))
    assert row[4:] == [customer, merchant]


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (STARTED, "2026-11-23T08:00:00+05:30"),
        (datetime(2026, 12, 31, 18, 30, tzinfo=UTC), "2027-01-01T00:00:00+05:30"),
        (datetime(2026, 7, 1, 12, 0, tzinfo=timezone(timedelta(hours=2))), "2026-07-01T15:30:00+05:30"),
        (datetime(2026, 11, 23, 2, 30, 0, 999_999, tzinfo=UTC), "2026-11-23T08:00:00+05:30"),
    ],
)
def test_times_are_indian(moment: datetime, text: str) -> None:
    assert ist(moment) == text


def test_the_order_of_the_rows_is_kept() -> None:
    merchants = ["M2", "M10", "M1"]
    lines = render_file([_detection(merchant=merchant) for merchant in merchants]).decode().splitlines()[1:]
    assert [line.rpartition(",")[2] for line in lines] == merchants
