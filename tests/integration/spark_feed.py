"""Puts a feed into the ledger as landing and the commits of earlier batches leave it, for tests of the job alone."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from feeds.blob_names import chunk_blob, importance_blob, importance_prefix
from tests import reference
from tests.handmade import HEADER, IMPORTANCE_HEADER, Row
from tests.reference_rows import read_importance

FEED = "spark-job"


@dataclass(frozen=True)
class LandedFeed:
    """A feed whose chunks lie under a folder."""

    connection: psycopg.Connection[Any]
    root: Path
    rows: Sequence[Row]
    rules: Mapping[str, Any]
    feed_id: int

    def open_batch(self, first: int, last: int) -> int:
        """Open a batch, and put the state before it and the chunks before it into the ledger."""
        before = (first - 1) * int(self.rules["chunk_size"])
        state = reference.state([HEADER, *self.rows[:before]])
        with self.connection.cursor() as cursor:
            cursor.executemany(
                "insert into ledger.merchant_total values (%s, %s, %s, %s, %s)",
                [(self.feed_id, name, *total) for name, total in state.merchants.items()],
            )
            cursor.executemany(
                "insert into ledger.pair_total values (%s, %s, %s, %s, %s, %s, %s)",
                [(self.feed_id, *key, *total) for key, total in state.pairs.items()],
            )
        self.connection.execute("select ledger.rank_feed(%s)", (self.feed_id,))
        return self.one(
            "insert into ledger.batch (feed_id, first_chunk, last_chunk) values (%s, %s, %s) returning batch_id",
            self.feed_id, first, last,
        )  # fmt: skip

    def keep_weights(self, importance: Sequence[Row]) -> None:
        """Put weights into the ledger, as the first batch of a feed does."""
        weights = read_importance([IMPORTANCE_HEADER, *importance], self.rules["weight_scope"])
        with self.connection.cursor() as cursor:
            cursor.executemany(
                "insert into ledger.weight values (%s, %s, %s, %s)",
                [(self.feed_id, *key, reference.twelve_places(weight)) for key, weight in weights.items()],
            )

    def chunk_file(self, chunk: int) -> Path:
        """Where a chunk lies."""
        return self.root / chunk_blob(FEED, chunk)

    def importance_file(self, part: int) -> Path:
        """Where a part of importance lies."""
        return self.root / importance_blob(FEED, part)

    def land_importance(self, part: int, content: bytes) -> None:
        """Write a part of importance, and its row into the ledger."""
        file = self.importance_file(part)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        self.connection.execute(
            "insert into ledger.importance_part (feed_id, part, blob_name, blob_sha256) values (%s, %s, %s, %s) "
            "on conflict (feed_id, part) do update set blob_sha256 = excluded.blob_sha256",
            (self.feed_id, part, importance_blob(FEED, part), sha256(file)),
        )

    def arguments(self, batch_id: int, first: int, last: int, *, with_importance: bool = False) -> list[str]:
        """Arguments of the job."""
        arguments = {
            "feed": FEED,
            "batch_id": batch_id,
            "first_chunk": first,
            "last_chunk": last,
            "storage_url": self.root.as_uri(),
            "columns": json.dumps(HEADER),
            "importance": importance_prefix(FEED) if with_importance else "",
            **{name: value for name, value in self.rules.items() if name != "chunk_size"},
        }
        return [text for name, value in arguments.items() for text in (f"--{name}", str(value))]

    def staged(self, table: str, columns: str, batch_id: int) -> list[tuple[Any, ...]]:
        """Rows of a staging table that the first complete execution for a batch has written."""
        query = (
            f"select {columns} from ledger.{table} s join ledger.staged c using (batch_id, staging_id) "
            "where batch_id = %s order by 1, 2, 3"
        )
        return self.connection.execute(query, (batch_id,)).fetchall()

    def count(self, table: str) -> int:
        """Number of all rows of a staging table."""
        return self.one(f"select count(*) from ledger.{table}")

    def one(self, query: str, *values: Any) -> Any:
        """The one value that a statement gives."""
        row = self.connection.execute(query, values).fetchone()
        assert row is not None
        return row[0]


def land(
    connection: psycopg.Connection[Any],
    root: Path,
    rows: Sequence[Row],
    rules: Mapping[str, Any],
    importance: Sequence[Row] = (),
) -> LandedFeed:
    """Write a feed's chunks and importance file under a folder, and their rows into the ledger."""
    settings = {name: value for name, value in rules.items() if name != "chunk_size"}
    columns = {
        "feed": FEED, "transactions_file_id": "t", "importance_file_id": "i", "chunk_size": rules["chunk_size"],
        "interval_seconds": 0, "detections_per_file": 50, "linger_seconds": 60, "max_reject_percent": 1, "source_revision": "r",
        "source_size": 1, "source_md5": "m", "header": b"h", "columns": HEADER, "data_start": 0, "data_line": 2,
        "importance_revision": "r", **settings,
    }  # fmt: skip
    names, places = ", ".join(columns), ", ".join(["%s"] * len(columns))
    inserted = connection.execute(
        f"insert into ledger.feed ({names}) values ({places}) returning feed_id", tuple(columns.values())
    ).fetchone()
    assert inserted is not None
    feed = LandedFeed(connection, root, rows, rules, inserted[0])
    middle = len(importance) // 2
    for part, weighed in enumerate((importance[:middle], importance[middle:]), start=1):
        feed.land_importance(part, as_csv([IMPORTANCE_HEADER, *weighed]))
    size = int(rules["chunk_size"])
    for chunk, start in enumerate(range(0, len(rows), size), start=1):
        blob = feed.chunk_file(chunk)
        blob.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(as_csv([HEADER, *rows[start : start + size]]))
        connection.execute(
            "insert into ledger.chunk (feed_id, chunk, byte_start, byte_end, first_line, end_line, landed_rows, rejected_rows, "
            "source_sha256, blob_name, blob_sha256, revision) values (%s, %s, 0, 1, 1, 2, %s, 0, 's', %s, %s, 'r')",
            (feed.feed_id, chunk, len(rows[start : start + size]), chunk_blob(FEED, chunk), sha256(blob)),
        )
    return feed


def as_csv(rows: Sequence[Row]) -> bytes:
    """Write rows as CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def sha256(file: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(file.read_bytes()).hexdigest()
