"""Comparison (a) finds what the reference finds, and measures the chunks that it is asked for."""

from __future__ import annotations

import pytest

from benchmarks.feeds import Files
from benchmarks.lower_limit import Limit, detect, refuse_other_detections
from local.generate import generate

ROWS = 125_000


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("limit")
    transactions, importance = folder / "transactions.csv", folder / "CustomerImportance.csv"
    generate(transactions, importance, rows=ROWS, customers=1500, merchants=20, seed=1)
    return Files("small", "small", transactions, importance, ROWS)


@pytest.fixture(scope="module")
def limit(files: Files) -> Limit:
    return detect(files.transactions, files.importance)


def keys(limit: Limit) -> set[tuple[str, str, str]]:
    return {(pattern, customer, merchant) for _, pattern, customer, merchant in limit.detections}


def test_it_finds_what_the_reference_finds(files: Files, limit: Limit) -> None:
    refuse_other_detections(limit, files)
    assert {pattern for pattern, _, _ in keys(limit)} == {"PatId1", "PatId2", "PatId3"}
    assert list(limit.chunk_seconds) == list(range(1, files.chunks + 1))


def test_other_detections_are_refused(files: Files, limit: Limit) -> None:
    with pytest.raises(RuntimeError, match="its time means nothing"):
        refuse_other_detections(Limit(limit.detections[1:], 1, {1: 1}), files)


def test_chunks_between_those_it_is_asked_for_are_added_but_not_measured(files: Files, limit: Limit) -> None:
    some = detect(files.transactions, files.importance, at={1, 5, 12})
    assert list(some.chunk_seconds) == [1, 5, 12]
    assert {chunk for chunk, _, _, _ in some.detections} <= {1, 4, 5, 11, 12}
    assert set() < keys(some) <= keys(limit)


def test_what_was_not_measured_is_interpolated() -> None:
    assert Limit([], 10, {1: 1, 3: 3, 5: 1}).seconds == 10 + 1 + 2 + 3 + 2 + 1
