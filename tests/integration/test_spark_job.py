"""The detection job against PostgreSQL and Spark Connect, without Airflow: what it stages, and how it refuses bad input."""

from __future__ import annotations

import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pyspark.sql import SparkSession

import detect_patterns
from detectors.errors import ChunkError, InputError, JobError
from detectors.session import SMALL_ROWS
from detectors.staging import Staging, jdbc_options
from detectors.state import batch_state
from local.config import Addresses
from tests import reference
from tests.handmade import HEADER, IMPORTANCE_HEADER, Row, buy, weigh
from tests.integration.spark_feed import LandedFeed, land, sha256
from tests.reference import twelve_places
from tests.reference_rows import read_importance

Connection = psycopg.Connection[Any]

RULES: dict[str, Any] = {
    "chunk_size": 50,
    "upgrade_percent": 20,
    "upgrade_min_transactions": 60,
    "weight_scope": "customer_merchant",
    "child_min_transactions": 6,
    "child_max_average": Decimal("22.5"),
    "dei_min_female": 3,
}
STAGING = ("staged_batch", "staged_chunk", "staged_weight", "staged_pair", "staged_detection")


@pytest.fixture(autouse=True)
def environment(spark_services: Addresses, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a Databricks run has in its environment."""
    monkeypatch.setenv("SPARK_REMOTE", spark_services.spark_remote)
    monkeypatch.setenv("LEDGER_JDBC_URL", spark_services.ledger_jdbc_url)
    monkeypatch.setenv("LEDGER_USER", spark_services.ledger_user)
    monkeypatch.setenv("LEDGER_PASSWORD", spark_services.ledger_password)


@pytest.fixture
def spark(environment: None) -> SparkSession:
    return SparkSession.builder.getOrCreate()


@pytest.fixture
def feed(connection: Connection, tmp_path: Path) -> LandedFeed:
    """Give a feed of 6 chunks under whose rules all patterns occur."""
    return land(connection, tmp_path, ROWS, RULES, IMPORTANCE)


def random_rows(count: int, seed: int) -> list[Row]:
    chance = random.Random(seed)
    rows = []
    for _ in range(count):
        customer = int(16 * chance.random() ** 2)
        gender = chance.choice("FMfU") if chance.random() < 0.02 else "FMM"[customer % 3]
        amount = f"{chance.randrange(1, 45)}.{chance.randrange(100):02}"
        rows.append(buy(f"C{customer}", chance.choice(["M1", "M1", "M1", "M2"]), amount, gender))
    return rows


def random_importance(seed: int) -> list[Row]:
    chance = random.Random(seed)
    return [
        weigh(f"C{chance.randrange(11)}", f"{chance.randrange(1, 4)}.5", chance.choice(["M1", "M2"]), chance.choice("ab"))
        for _ in range(60)
    ]


ROWS = random_rows(280, seed=3)
IMPORTANCE = random_importance(seed=4)
DETECTION = "chunk, pattern_id, action_type, merchant, customer"


def expected(first: int, last: int, **rules: Any) -> list[tuple[Any, ...]]:
    found = reference.detect([HEADER, *ROWS], [IMPORTANCE_HEADER, *IMPORTANCE], RULES | rules)
    return [(d.chunk, d.pattern_id, d.action_type, d.merchant, d.customer) for d in found if first <= d.chunk <= last]


def run(feed: LandedFeed, first: int, last: int, *more: str, with_importance: bool = True) -> int:
    """Run the job for a new batch; of an argument that stands twice, the last counts."""
    batch_id = feed.open_batch(first, last)
    detect_patterns.main([*feed.arguments(batch_id, first, last, with_importance=with_importance), *more])
    return batch_id


def assert_nothing_staged(feed: LandedFeed) -> None:
    assert [feed.count(table) for table in STAGING] == [0] * len(STAGING)


@pytest.mark.parametrize("weight_scope", ["customer_merchant", "customer"])
def test_first_batch_stages_everything(
    connection: Connection, tmp_path: Path, weight_scope: str, capsys: pytest.CaptureFixture[str], spark_services: Addresses
) -> None:
    feed = land(connection, tmp_path, ROWS, RULES | {"weight_scope": weight_scope}, IMPORTANCE)
    batch_id = run(feed, 1, 6)

    found = expected(1, 6, weight_scope=weight_scope)
    assert {pattern for _, pattern, *_ in found} == {"PatId1", "PatId2", "PatId3"}
    assert len({chunk for chunk, *_ in found}) > 2
    assert sorted(feed.staged("staged_detection", DETECTION, batch_id)) == found
    assert feed.staged("staged_chunk", "chunk, transactions, 0", batch_id) == [(k, 50, 0) for k in range(1, 6)] + [(6, 30, 0)]
    state = reference.state([HEADER, *ROWS])
    assert feed.staged("staged_pair", "merchant, customer, transactions, amount, seen_female, seen_male", batch_id) == sorted(
        (*key, *total) for key, total in state.pairs.items()
    )
    weights = read_importance([IMPORTANCE_HEADER, *IMPORTANCE], weight_scope)
    assert feed.staged("staged_weight", "merchant, customer, weight", batch_id) == sorted(
        (*key, twelve_places(weight)) for key, weight in weights.items()
    )
    output = capsys.readouterr().out
    assert "280 transactions" in output
    assert f"PatId2 {sum(pattern == 'PatId2' for _, pattern, *_ in found)}" in output
    assert spark_services.ledger_password not in output


@pytest.mark.parametrize("small_rows", [SMALL_ROWS, 0], ids=["small", "large"])
@pytest.mark.parametrize(("first", "last"), [(3, 3), (4, 6)])
def test_following_batch_goes_on_from_the_state(
    feed: LandedFeed, first: int, last: int, small_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("detectors.session.SMALL_ROWS", small_rows)  # a large batch reads its state by several queries
    feed.keep_weights(IMPORTANCE)
    batch_id = run(feed, first, last, with_importance=False)
    # What earlier batches have detected, the commit leaves out.
    earlier = {d[1:] for d in expected(1, first - 1)}
    found = [d for d in feed.staged("staged_detection", DETECTION, batch_id) if d[1:] not in earlier]
    assert sorted(found) == expected(first, last)
    assert feed.count("staged_weight") == 0


def test_executions_of_one_batch_do_not_mix(feed: LandedFeed) -> None:
    batch_id = feed.open_batch(1, 3)
    for _ in range(2):
        detect_patterns.main(feed.arguments(batch_id, 1, 3, with_importance=True))
    assert feed.count("staged_batch") == 2
    assert sorted(feed.staged("staged_detection", DETECTION, batch_id)) == expected(1, 3)
    assert feed.count("staged_detection") == 2 * len(expected(1, 3))


def test_altered_chunk_is_named_with_both_checksums(feed: LandedFeed) -> None:
    blob = feed.chunk_file(2)
    blob.write_bytes(blob.read_bytes().replace(b"'C1'", b"'C2'", 1))
    expected_sha256 = feed.one("select blob_sha256 from ledger.chunk where chunk = 2")
    with pytest.raises(ChunkError, match=r"chunk 2: blob chunks/spark-job/chunk-000002\.csv was altered.*repair it") as error:
        run(feed, 1, 3)
    assert expected_sha256 in str(error.value)
    assert sha256(blob) in str(error.value)
    assert_nothing_staged(feed)


def test_missing_chunk_is_named(feed: LandedFeed) -> None:
    feed.chunk_file(3).unlink()
    with pytest.raises(ChunkError, match=r"chunk 3: blob chunks/spark-job/chunk-000003\.csv does not exist.*repair it"):
        run(feed, 1, 3)
    assert_nothing_staged(feed)


def test_chunk_that_has_not_landed_is_named(feed: LandedFeed) -> None:
    with pytest.raises(ChunkError, match="chunk 7 has not landed"):
        run(feed, 5, 7)
    assert_nothing_staged(feed)


def test_feed_that_the_ledger_does_not_know_is_named(feed: LandedFeed) -> None:
    with pytest.raises(ChunkError, match="feed another is not in the ledger"):
        run(feed, 1, 1, "--feed", "another", with_importance=False)
    assert_nothing_staged(feed)


def test_row_count_that_differs_is_named(feed: LandedFeed) -> None:
    feed.connection.execute("update ledger.chunk set landed_rows = 49 where chunk = 2")
    with pytest.raises(ChunkError, match=r"chunk 2: Spark reads 50 rows .*, 49 have landed"):
        run(feed, 1, 3)
    assert feed.count("staged_batch") == 0


def test_altered_importance_is_named(feed: LandedFeed) -> None:
    file = feed.importance_file(2)
    file.write_bytes(file.read_bytes().replace(b"1.5", b"9.5", 1))
    with pytest.raises(ChunkError, match=r"importance part 2: blob importance/spark-job/\S+-000002.csv was altered"):
        run(feed, 1, 1)
    assert_nothing_staged(feed)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"Source,Target,Weigth,typeTrans,fraud\nC1,M1,1,x,0\n",
            "lacks the column Weight; its header has Source",
        ),
        (b"<!DOCTYPE html><html>\n</html>\n", "lacks the column Source, Target, Weight, typeTrans"),
    ],
    ids=["misspelt", "page"],
)
def test_unusable_importance_is_refused(feed: LandedFeed, content: bytes, message: str) -> None:
    for part in (1, 2):
        feed.land_importance(part, content)
    with pytest.raises(InputError, match=message):
        run(feed, 1, 1)
    assert_nothing_staged(feed)


def test_lost_importance_is_named(feed: LandedFeed) -> None:
    feed.importance_file(2).unlink()
    with pytest.raises(ChunkError, match=r"importance part 2: blob importance/spark-job/\S+-000002.csv does not exist"):
        run(feed, 1, 1)
    assert_nothing_staged(feed)


def test_importance_that_has_not_landed_is_named(feed: LandedFeed) -> None:
    feed.connection.execute("delete from ledger.importance_part")
    with pytest.raises(ChunkError, match="feed spark-job: CustomerImportance has not landed"):
        run(feed, 1, 1)
    assert_nothing_staged(feed)


def test_importance_without_any_number_is_refused(feed: LandedFeed) -> None:
    for part in (1, 2):
        feed.land_importance(part, b"Source,Target,Weight,typeTrans\nC1,M1,heavy,x\n")
    with pytest.raises(InputError, match="no row with a readable Weight"):
        run(feed, 1, 1)
    assert_nothing_staged(feed)


def test_columns_without_a_needed_one_are_refused(feed: LandedFeed) -> None:
    with pytest.raises(InputError, match="lacks gender, merchant"):
        run(feed, 1, 1, "--columns", '["step", "customer", "amount"]', with_importance=False)
    assert_nothing_staged(feed)


def test_environment_without_the_ledger_is_refused(feed: LandedFeed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LEDGER_PASSWORD")
    with pytest.raises(InputError, match="LEDGER_PASSWORD"):
        run(feed, 1, 1)


def test_ledger_away_ends_with_the_reason(feed: LandedFeed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEDGER_JDBC_URL", "jdbc:postgresql://127.0.0.1:9/ledger")
    with pytest.raises(JobError, match=r"127\.0\.0\.1:9 refused") as error:
        run(feed, 1, 1)
    assert "\n" not in str(error.value)


def test_filters_reach_postgresql(feed: LandedFeed, spark: SparkSession, capsys: pytest.CaptureFixture[str]) -> None:
    staging = Staging(spark, jdbc_options(), 7, "x'y")
    assert batch_state(staging).collect() == []
    staging.read("batch_state").explain()
    pushed = capsys.readouterr().out.partition("PushedFilters: ")[2]
    assert "*EqualTo(batch_id,7)" in pushed
    assert "*EqualTo(staging_id,x'y)" in pushed


def test_chunk_of_rejected_rows_alone_counts_nothing(connection: Connection, tmp_path: Path) -> None:
    feed = land(connection, tmp_path, ROWS[:100], RULES, IMPORTANCE)
    blob = feed.chunk_file(2)
    blob.write_bytes(blob.read_bytes().splitlines(keepends=True)[0])
    connection.execute("update ledger.chunk set landed_rows = 0, blob_sha256 = %s where chunk = 2", (sha256(blob),))
    feed.keep_weights(IMPORTANCE)
    batch_id = run(feed, 2, 2, with_importance=False)
    assert feed.count("staged_batch") == 1
    assert feed.staged("staged_pair", "merchant, customer, transactions", batch_id) == []
    assert feed.staged("staged_detection", DETECTION, batch_id) == []
