"""Stands in for the detection job alone: stages by plain Python what ``spark_jobs/detect_patterns.py`` stages with Spark.

For tests that run thousands of batches, of what lies around the job. The job itself, with real Spark on the same blobs and the
same ledger, is tested in test_spark_*.py and test_pipeline.py. Like the job, this reads the batch's blobs, compares them with the
ledger, takes the state before the batch *from the ledger* (so what is counted twice there is found twice here), and writes
staging rows under an id of its own, in the same order, each table in more than one transaction. The job writes its row of
staged_batch and the detections at the same time: here the row comes first, which is the order that could do harm.
"""

from __future__ import annotations

import csv
import hashlib
import io
import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from feeds.blob_names import chunk_blob
from feeds.blobs import Blobs
from feeds.ledger import Row
from tests import reference
from tests.integration.crashing import Effects
from tests.reference_rows import Transaction, read_importance, read_transactions

ACTIONS = {"PatId1": "UPGRADE", "PatId2": "CHILD", "PatId3": "DEI-NEEDED"}
Pair = tuple[str, str]
Merchants = dict[str, reference.Merchant]


@dataclass(frozen=True)
class StagedByHand:
    """One execution of the job.

    Parameters
    ----------
    connection
        To the ledger, autocommitting.
    blobs
        Where the chunks are.
    batch
        What ``select_batch`` gives: the batch with what its job is told.
    effects
        Of the job's process.
    """

    connection: psycopg.Connection[Any]
    blobs: Blobs
    batch: Row
    effects: Effects

    def run(self) -> None:
        """Stage the batch.

        Raises
        ------
        ValueError
            A blob is not what the ledger says.
        """
        chunks = {number: self._transactions(number) for number in range(self.batch["first_chunk"], self.batch["last_chunk"] + 1)}
        staging = uuid.uuid4().hex
        weights = self._weights()
        if not self.batch["weights_ready"]:
            self._write("weight", staging, [(*key, weight) for key, weight in weights.items()])
        self._write("chunk", staging, [(number, len(rows)) for number, rows in chunks.items()])
        new: Merchants = defaultdict(reference.Merchant)
        for rows in chunks.values():
            for row in rows:
                new[row.merchant].add(row)
        self._write("pair", staging, _pairs(new))
        found = _detections(self._merchants(), chunks, weights, self.batch)
        self._write("batch (batch_id, staging_id, detections)", staging, [(len(found),)])
        self._write("detection", staging, found)

    def _transactions(self, number: int) -> list[Transaction]:
        (sha256,) = self._one("select blob_sha256 from ledger.chunk where feed_id = %s and chunk = %s", number)
        text = self._blob(chunk_blob(self.batch["feed"], number), sha256)
        return [row for row in read_transactions(csv.reader(text)) if row is not None]

    def _weights(self) -> dict[Pair, Decimal]:
        """Weights by (merchant, customer), rounded as the ledger keeps them."""
        if self.batch["weights_ready"]:
            kept = self._rows("select merchant, customer, weight from ledger.weight where feed_id = %s")
            return {(merchant, customer): weight for merchant, customer, weight in kept}
        parts = self._rows("select blob_name, blob_sha256 from ledger.importance_part where feed_id = %s order by part")
        header, *rows = [row for name, sha256 in parts for row in csv.reader(self._blob(name, sha256))]
        exact = read_importance([header, *(row for row in rows if row != header)], self.batch["weight_scope"])
        return {key: reference.twelve_places(weight) for key, weight in exact.items()}

    def _merchants(self) -> Merchants:
        """State before the batch."""
        merchants: Merchants = defaultdict(reference.Merchant)
        for name, total in self._rows("select merchant, transactions from ledger.merchant_total where feed_id = %s"):
            merchants[name].total_transactions = total
        columns = "merchant, customer, transactions, amount, seen_female, seen_male"
        for name, customer, count, amount, female, male in self._rows(
            f"select {columns} from ledger.pair_total where feed_id = %s"
        ):
            merchant = merchants[name]
            merchant.transactions[customer] = count
            merchant.cents[customer] = int(amount.scaleb(2))
            merchant.seen_female |= {customer} if female else set()
            merchant.seen_male |= {customer} if male else set()
        return merchants

    def _blob(self, name: str, sha256: str) -> io.StringIO:
        data = self.blobs.read(name)
        if hashlib.sha256(data).hexdigest() != sha256:
            raise ValueError(f"{name} was altered")
        return io.StringIO(data.decode("utf-8-sig"), newline="")

    def _rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        return self.connection.execute(query, (self.batch["feed_id"], *values)).fetchall()

    def _one(self, query: str, *values: Any) -> tuple[Any, ...]:
        (row,) = self._rows(query, *values)
        return row

    def _write(self, table: str, staging: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Write rows in two transactions: Spark writes them in up to four, and any of them may be missing."""
        key = (self.batch["batch_id"], staging)
        for half in filter(None, (rows[1::2], rows[::2])):
            self.effects.come(f"job: stage a part of staged_{table}")
            places = ", ".join(["%s"] * len((*key, *half[0])))
            query = f"insert into ledger.staged_{table} values "
            # One statement, as the job's driver rewrites its batches.
            self.connection.execute(
                query + ", ".join([f"({places})"] * len(half)), [value for row in half for value in (*key, *row)]
            )


def _pairs(merchants: Merchants) -> list[tuple[Any, ...]]:
    return [
        (name, customer, count, Decimal(m.cents[customer]).scaleb(-2), customer in m.seen_female, customer in m.seen_male)
        for name, m in merchants.items()
        for customer, count in m.transactions.items()
    ]


def _detections(
    merchants: Merchants,
    chunks: Mapping[int, Sequence[Transaction]],
    weights: Mapping[Pair, Decimal],
    rules: Mapping[str, Any],
) -> list[tuple[Any, ...]]:
    """Give the first boundary of the batch at which each rule holds: chunk, pattern, action, merchant, customer, evidence."""
    places = reference.Weights.of({key: Fraction(weight) for key, weight in weights.items()})
    first: dict[reference.Key, tuple[int, reference.Evidence]] = {}
    for chunk, rows in chunks.items():
        for key, evidence in reference.holding(merchants, rows, places, rules):
            first.setdefault(key, (chunk, evidence))
    return [
        (chunk, pattern, ACTIONS[pattern], merchant, customer, Jsonb(evidence))
        for (pattern, merchant, customer), (chunk, evidence) in first.items()
    ]
