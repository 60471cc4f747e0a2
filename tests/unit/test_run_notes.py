"""The notes on runs, as texts; that Airflow's scheduler writes them is tested with a real one."""

from __future__ import annotations

from typing import Any

import pytest

from run_notes_plugin import AUDIT, PIPELINE, Facts, describe

TAKEN: Facts = {
    "feed": "bank-2026",
    "return_value": {"batch_id": 3, "first_chunk": 12, "last_chunk": 14},
}


@pytest.mark.parametrize(
    ("asked", "note"),
    [
        ({}, ""),
        ({"feed": "bank-2026"}, "feed bank-2026"),
        ({"feed": "bank-2026", "first_chunk": 31, "last_chunk": 40}, "chunks 31-40 of feed bank-2026"),
        ({"feed": "bank-2026", "first_chunk": 31, "last_chunk": 31}, "chunk 31 of feed bank-2026"),
        ({"feed": "bank-2026", "first_chunk": 31}, "chunks from 31 of feed bank-2026"),
        ({"feed": "bank-2026", "last_chunk": 60, "batch_chunks": 10}, "chunks up to 60 of feed bank-2026 in batches of 10"),
        ({"feed": "bank-2026", "rebuild": True, "child_max_average": 24}, "rebuild of feed bank-2026 with child_max_average 24"),
        ({"feed": "bank-2026", "flush": True}, "feed bank-2026, with its last detections"),
        ({"feed": "bank-2026", "max_reject_percent": 5, "folder_id": "1AbC"}, "feed bank-2026 with max_reject_percent 5"),
    ],
    ids=str,
)
def test_what_a_run_asks_for(asked: dict[str, Any], note: str) -> None:
    assert describe(PIPELINE, asked, {}) == note


def test_what_an_audit_is_of() -> None:
    assert describe(AUDIT, {"feed": "bank-2026"}, {}) == "audit of feed bank-2026"


@pytest.mark.parametrize(
    ("asked", "note"),
    [
        ({}, "feed bank-2026, chunks 12-14"),
        ({"feed": "bank-2026"}, "feed bank-2026, chunks 12-14"),
        ({"feed": "bank-2026", "first_chunk": 12, "last_chunk": 14}, "chunks 12-14 of feed bank-2026"),
        ({"feed": "bank-2026", "last_chunk": 14}, "chunks up to 14 of feed bank-2026: chunks 12-14"),
    ],
    ids=str,
)
def test_what_it_has_taken_is_added(asked: dict[str, Any], note: str) -> None:
    assert describe(PIPELINE, asked, TAKEN) == note


def test_a_run_that_had_nothing_to_do() -> None:
    assert describe(PIPELINE, {}, {"skipped_because": "nothing was due"}) == "nothing was due"
    nothing = {"batch_id": None, "first_chunk": None, "last_chunk": None}
    assert describe(PIPELINE, {}, {"feed": "bank-2026", "return_value": nothing}) == "feed bank-2026"


def test_a_run_that_failed_before_it_had_a_batch() -> None:
    assert describe(PIPELINE, {}, {"feed": "bank-2026"}) == "feed bank-2026"
