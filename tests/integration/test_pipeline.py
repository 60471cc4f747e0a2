"""The whole chain but Airflow against the reference implementation: grouping does not matter, and every detection agrees."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from feeds.blobs import Blobs
from feeds.detection import open_batch
from feeds.drive import DriveHook
from feeds.landing import land
from local.config import Addresses
from local.generate import generate
from tests import reference
from tests.conftest import RULES, FeedFiles, expected
from tests.integration.pipeline import Pipeline, commit

MakeFeed = Callable[..., FeedFiles]


@pytest.fixture
def pipeline(spark_services: Addresses, connection: psycopg.Connection[Any], drive: DriveHook, blobs: Blobs) -> Pipeline:
    return Pipeline(spark_services, connection, drive, blobs)


@pytest.mark.parametrize("weight_scope", ["customer_merchant", "customer"])
@pytest.mark.parametrize("ends", [[6], [1, 2, 3, 4, 5, 6], [2, 5, 6]], ids=["one batch", "a chunk a batch", "mixed"])
def test_grouping_does_not_matter(
    pipeline: Pipeline, make_feed: MakeFeed, small: tuple[Path, Path], ends: list[int], weight_scope: str
) -> None:
    transactions, importance = small
    settings = RULES | {"weight_scope": weight_scope}
    feed = make_feed("groups", transactions.read_bytes(), importance.read_bytes())
    for end in ends:
        pipeline.run(feed, last=end, **settings)
    found = pipeline.detections("groups")
    assert found == expected(transactions, importance, settings)
    assert {pattern for _, pattern, *_ in found} == {"PatId1", "PatId2", "PatId3"}
    assert pipeline.evidence("groups") == reference.detect_with_evidence(transactions, importance, settings)
    files = pipeline.exported("groups")
    assert [row for file in files for row in file] == [row[1:] for row in found]
    assert all(len(file) == 7 for file in files[:-1])
    assert 0 < len(files[-1]) <= 7
    _assert_state(pipeline, transactions)


def _assert_state(pipeline: Pipeline, transactions: Path) -> None:
    state = reference.state(transactions)
    merchants = pipeline.connection.execute("select merchant, transactions, female, male from ledger.merchant_total").fetchall()
    assert {m: (n, f, x) for m, n, f, x in merchants} == {
        m: (t.transactions, t.female, t.male) for m, t in state.merchants.items()
    }
    pairs = pipeline.connection.execute(
        "select merchant, customer, transactions, amount, seen_female, seen_male from ledger.pair_total"
    ).fetchall()
    assert {(m, c): (n, Decimal(a), f, x) for m, c, n, a, f, x in pairs} == {
        key: (p.transactions, p.amount, p.seen_female, p.seen_male) for key, p in state.pairs.items()
    }


def test_two_feeds_in_one_ledger_do_not_see_each_other(
    pipeline: Pipeline, make_feed: MakeFeed, small: tuple[Path, Path], tmp_path: Path
) -> None:
    other = tmp_path / "t.csv", tmp_path / "i.csv"
    generate(*other, rows=2_000, seed=8, customers=60, merchants=12)
    feeds = {"one": small, "two": other}
    made = {name: make_feed(name, files[0].read_bytes(), files[1].read_bytes()) for name, files in feeds.items()}
    for last in (2, 6):
        for feed in made.values():
            pipeline.run(feed, last=last, **RULES)
    for name, files in feeds.items():
        assert pipeline.detections(name) == expected(*files, RULES)


def test_a_job_that_is_run_twice_counts_once(pipeline: Pipeline, make_feed: MakeFeed, small: tuple[Path, Path]) -> None:

    transactions, importance = small
    feed = make_feed("again", transactions.read_bytes(), importance.read_bytes())
    land(pipeline.ledger, pipeline.drive, pipeline.blobs, feed.request(**RULES))
    batch = open_batch(pipeline.ledger, "again", None, None)
    assert batch is not None
    pipeline.detect(batch["batch_id"])
    pipeline.detect(batch["batch_id"])
    commit(batch["batch_id"])
    assert pipeline.detections("again") == expected(transactions, importance, RULES)
    _assert_state(pipeline, transactions)
