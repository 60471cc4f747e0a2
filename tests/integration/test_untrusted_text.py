"""Text from the data through the whole chain: it comes out as it went in, and is taken for nothing else on its way."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from feeds.blobs import Blobs
from feeds.drive import DriveHook
from local.config import Addresses
from tests.conftest import FeedFiles
from tests.handmade import HEADER, NO_DEI, NO_UPGRADE, buy
from tests.integration.pipeline import Pipeline

IDS = [
    "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("http://x.example","y")', "=cmd|' /C calc'!A0",
    "x'; drop table ledger.chunk; --", "x\"; drop schema ledger cascade; --", "%s %(batch_id)s", "{{ 1 + 1 }}", "${HOME} $(id)",
    "../../../etc/passwd", "..\\..\\x", "/etc/passwd", "chunks/other/chunk-000001", "a b", "a,b", "a\nb",
    "<script>alert(1)</script>", "\u202eC1", "Zoë Ω",
]  # fmt: skip


def written(rows: list[Any]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([HEADER, *rows])
    return text.getvalue().encode()


def test_ids_come_out_as_they_went_in(
    spark_services: Addresses,
    connection: psycopg.Connection[Any],
    drive: DriveHook,
    blobs: Blobs,
    make_feed: Callable[..., FeedFiles],
) -> None:
    pairs = [(text, "M1") for text in IDS] + [("C1", text) for text in IDS]
    importance = b"Source,Target,Weight,typeTrans,fraud\n'=1+1','M1',1.50,'=1+1',0\n"
    feed = make_feed("untrusted", written([buy(customer, merchant) for customer, merchant in pairs]), importance)
    pipeline = Pipeline(spark_services, connection, drive, blobs)
    silent = NO_UPGRADE | NO_DEI | {"child_min_transactions": 1}
    pipeline.run(feed, chunk_size=20, detections_per_file=30, **silent)

    files = pipeline.exported("untrusted")
    assert sorted(row for file in files for row in file) == sorted(("PatId2", "CHILD", *pair) for pair in pairs)
    names = [name for kind in ("chunks", "rejects", "importance", "detections") for name in blobs.names(f"{kind}/untrusted/")]
    assert sorted(names) == [
        "chunks/untrusted/chunk-000001.csv",
        "chunks/untrusted/chunk-000002.csv",
        "chunks/untrusted/chunk-000003.csv",
        "detections/untrusted/detections-000001.csv",
        "detections/untrusted/detections-000002.csv",
        "importance/untrusted/CustomerImportance-000001.csv",
    ]
    assert connection.execute("select count(*) from ledger.chunk").fetchone() == (3,)


@pytest.mark.parametrize("name", ["../x", "a/b", "a\\b", "a.b", ".", "", "-a", "A", "a b", "a\n", "a'", "ä", "a%2fb", "a" * 64])
def test_a_feed_of_another_name_cannot_be_in_the_ledger(connection: psycopg.Connection[Any], name: str) -> None:
    """Paths are made of its name and of numbers; the trigger form refuses the same."""
    insert = (
        "insert into ledger.feed (feed, transactions_file_id, importance_file_id, chunk_size, interval_seconds, upgrade_percent, "
        "upgrade_min_transactions, weight_scope, child_min_transactions, child_max_average, dei_min_female, detections_per_file, "
        "linger_seconds, max_reject_percent, source_revision, source_size, source_md5, header, columns, data_start, data_line) "
        "values (%s, '', '', 1, 0, 10, 0, 'customer', 1, 0, 0, 1, 0, 0, '', 0, '', '', '{}', 0, 1)"
    )
    connection.execute(insert, ["allowed-1"])
    with pytest.raises(psycopg.errors.CheckViolation, match="feed_feed_check"):
        connection.execute(insert, [name])
