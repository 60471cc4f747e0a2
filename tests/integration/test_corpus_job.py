"""What of the corpus reaches Spark: totals and detections are the reference's, and ids come out of the files as they went in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from detectors.errors import InputError
from detectors.importance import read_importance, weights
from feeds.blobs import Blobs
from feeds.drive import DriveHook
from feeds.importance import cut_parts
from feeds.source import COLUMNS, read_header
from local.config import Addresses
from tests import reference
from tests.conftest import IMPORTANCE as GOOD_IMPORTANCE
from tests.conftest import empty_ledger, files_on_drive
from tests.corpus.cases import IMPORTANCE, TRANSACTIONS, Case
from tests.corpus.generated import row
from tests.integration.pipeline import Pipeline
from tests.random_feeds import HEADER, IMPORTANCE_HEADER
from tests.rows import rows_of

RULES = {
    "chunk_size": 10,
    "upgrade_percent": 100,
    "upgrade_min_transactions": 0,
    "child_min_transactions": 1,
    "child_max_average": 1_000_000,
    "dei_min_female": 0,
    "max_reject_percent": 100,
}
"""Rules under which every pair is detected, and every merchant at which genders are told right."""


@pytest.fixture(scope="module")
def pipeline(spark_services: Addresses) -> Iterator[Pipeline]:
    with empty_ledger(spark_services) as connection:
        yield Pipeline(spark_services, connection, DriveHook(), Blobs())


def data_of(case: Case) -> bytes | None:
    """Give the rows of a source behind the usual header, with a line end; ``None`` when it has another."""
    source = case.source
    header = read_header(lambda start, end: source[start:end], len(source), case.name, COLUMNS)
    rows = source[header.data_start :]
    return None if header.columns != list(COLUMNS) else rows if rows.endswith(b"\n") else rows + b"\n"


def all_in_one() -> tuple[bytes, list[Case]]:
    """Give one source of all rows that stand behind the usual header, and the cases that they are of."""
    # The reference leaves carriage returns in rows to landing; rows of megabytes are all rejected, and would only take time.
    cases = [case for case in TRANSACTIONS if not case.error and case.name != "doubled_carriage_returns"]
    cases = [case for case in cases if "10_mb" not in case.name and data_of(case)]
    # A quote that is not closed must be the last thing in the source, as it is in its own.
    cases.sort(key=lambda case: case.name == "quote_never_closed")
    return HEADER + b"".join(filter(None, map(data_of, cases))), cases


def as_rows(source: bytes) -> list[Sequence[str]]:
    """Give the rows of a source as the reference takes them; one that is no CSV has a single field."""
    return [
        ["no CSV"] if found.fields is None else [f.encode("latin-1").decode(errors="surrogateescape") for f in found.fields]
        for found in rows_of(source)
    ]


def all_weights() -> bytes:
    """Give one importance file of all odd rows of the usual columns."""
    names = ("repeated_keys", "unknown_customers", "weights_that_are_none", "odd_ids")
    sources = [case.source for case in IMPORTANCE if case.name in names]
    assert all(source.startswith(IMPORTANCE_HEADER) for source in sources)
    return IMPORTANCE_HEADER + b"".join(source.removeprefix(IMPORTANCE_HEADER) for source in sources)


def assert_as_the_reference(pipeline: Pipeline, feed: str, source: bytes, importance: Path, rules: dict[str, Any]) -> None:
    rows = as_rows(source)
    assert pipeline.detections(feed) == reference.detect(rows, importance, rules)
    state, found = reference.state(rows), pipeline.state(feed)
    assert {m: total for m, *total in found["merchant_total"]} == {m: list(total) for m, total in state.merchants.items()}
    assert {(m, c): total for m, c, *total, _ in found["pair_total"]} == {key: list(total) for key, total in state.pairs.items()}
    assert [row for file in pipeline.exported(feed) for row in file] == [row[1:] for row in pipeline.detections(feed)]


def counts(pipeline: Pipeline, feed: str) -> tuple[int, int, int]:
    """Give the feed's landed rows, rejected rows, and chunks that are applied."""
    row = pipeline.connection.execute(
        "select sum(landed_rows)::int, sum(rejected_rows)::int, count(batch_id)::int "
        "from ledger.chunk join ledger.feed using (feed_id) where feed = %s",
        [feed],
    ).fetchone()
    assert row is not None
    return row


def test_all_in_one(pipeline: Pipeline, tmp_path: Path) -> None:
    source, cases = all_in_one()
    assert len(cases) > 50
    importance = tmp_path / "importance.csv"
    importance.write_bytes(all_weights())
    with files_on_drive(pipeline.services, "odd", source, importance.read_bytes()) as files:
        pipeline.run(files, **RULES)
    landed, rejected = sum(case.landed for case in cases), sum(len(case.rejected) for case in cases)
    assert counts(pipeline, "odd") == (landed, rejected, -(-(landed + rejected) // RULES["chunk_size"]))
    assert_as_the_reference(pipeline, "odd", source, importance, RULES)
    exported = [row for file in pipeline.exported("odd") for row in file]
    assert {pattern for pattern, *_ in exported} == {"PatId1", "PatId2", "PatId3"}
    said = {customer for case in cases for customer in case.customers or []}
    assert said - {customer for pattern, _, customer, _ in exported if pattern == "PatId2"} == set()
    weighed = {customer for case in IMPORTANCE if case.name == "odd_ids" for customer in case.weights}
    assert weighed - {customer for pattern, _, customer, _ in exported if pattern == "PatId1"} == set()
    dei = {merchant for pattern, _, _, merchant in exported if pattern == "PatId3"}
    assert {merchant for merchant in dei if merchant[1:].isalpha()} == {"MLOWER", "MCONFLICT"}


@pytest.mark.parametrize("name", ["header_reordered", "header_extra_columns"])
def test_other_columns(pipeline: Pipeline, tmp_path: Path, name: str) -> None:
    case = next(case for case in TRANSACTIONS if case.name == name)
    importance, feed = tmp_path / "importance.csv", name.replace("_", "-")
    importance.write_bytes(GOOD_IMPORTANCE)
    with files_on_drive(pipeline.services, feed, case.source) as files:
        pipeline.run(files, **RULES)
    assert counts(pipeline, feed) == (case.landed, len(case.rejected), 1)
    assert_as_the_reference(pipeline, feed, case.source, importance, RULES)
    assert [customer for _, pattern, _, customer, _ in pipeline.detections(feed) if pattern == "PatId2"] == case.customers


def test_chunks_of_rejected_rows_only_are_applied_when_the_feed_allows_it(pipeline: Pipeline) -> None:
    source = HEADER + row(amount=b"none") * 25
    with files_on_drive(pipeline.services, "all-rejected", source) as files:
        pipeline.run(files, **RULES)
    assert counts(pipeline, "all-rejected") == (0, 25, 3)
    assert pipeline.state("all-rejected")["pair_total"] == []
    assert pipeline.detections("all-rejected") == []


def test_importance_without_a_readable_weight_stops_all_patterns(pipeline: Pipeline) -> None:
    case = next(case for case in IMPORTANCE if case.name == "no_readable_weight")
    drive = files_on_drive(pipeline.services, "no-weight", HEADER + row() * 3, case.source)
    with drive as files, pytest.raises(InputError) as refused:
        pipeline.run(files, **RULES)
    assert [piece for piece in case.error[1:] if piece not in str(refused.value)] == []
    assert counts(pipeline, "no-weight") == (3, 0, 0)
    assert pipeline.detections("no-weight") == []


@pytest.mark.parametrize("case", [case for case in IMPORTANCE if case.weights], ids=lambda case: case.name)
def test_weights(spark_services: Addresses, tmp_path: Path, case: Case) -> None:
    source = case.source
    for number, part in enumerate(
        cut_parts(lambda start, end: source[start:end], len(source), case.name, part_bytes=40), start=1
    ):
        (tmp_path / f"part-{number}.csv").write_bytes(part)
    spark = SparkSession.builder.remote(spark_services.spark_remote).getOrCreate()
    found = weights(read_importance(spark, [file.as_uri() for file in sorted(tmp_path.iterdir())]), "customer_merchant")
    mine = {row.customer: row.weight for row in found.collect() if row.merchant == "M1" and row.customer not in ("", "NOBODY")}
    assert mine == {customer: Decimal(weight) for customer, weight in case.weights.items()}
