"""Runs a feed through the functions behind the tasks, with the job on the warm Spark, without Airflow and Databricks."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from airflow.providers.postgres.hooks.postgres import PostgresHook
from azure.storage.blob import ContainerClient

import detect_patterns
from feeds.blobs import Blobs, storage_url
from feeds.detection import open_batch
from feeds.drive import DriveHook
from feeds.export import export_detections
from feeds.landing import land
from feeds.ledger import Ledger, statement
from feeds.rebuild import open_rebuild, report
from feeds.submission import job_arguments
from local.config import Addresses
from local.mirror import mirror_blobs, wanted_blobs
from tests.conftest import FeedFiles, Found
from tests.reference import Evidence


def commit(batch_id: int, hook: PostgresHook | None = None) -> None:
    """Run the statements of the commit as the operator does: split, in one transaction."""
    hook = hook or PostgresHook(postgres_conn_id="ledger")
    hook.run(statement("commit_batch"), parameters={"batch_id": batch_id}, split_statements=True)


@dataclass(frozen=True)
class Pipeline:
    """The pipeline on the tests' services."""

    services: Addresses
    connection: psycopg.Connection[Any]
    drive: DriveHook
    blobs: Blobs

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.connection)

    def run(self, feed: FeedFiles, last: int | None = None, **settings: Any) -> None:
        """Do what one run of the DAG does."""
        land(self.ledger, self.drive, self.blobs, feed.request(last=last, **settings))
        batch = open_batch(self.ledger, feed.feed, None, last)
        if batch is not None:
            self.detect(batch["batch_id"])
            commit(batch["batch_id"])
        export_detections(self.ledger, self.blobs, feed.feed, flush=False)

    def rebuild(self, feed: str, **rules: Any) -> str:
        """Do what one run of the DAG with `rebuild` does; give the table that its log shows."""
        batch = open_rebuild(self.ledger, feed, rules)
        self.detect(batch["batch_id"])
        commit(batch["batch_id"])
        export_detections(self.ledger, self.blobs, feed, flush=False)
        shown = report(self.ledger, batch["batch_id"])
        assert shown is not None
        return shown

    def state(self, feed: str) -> dict[str, list[tuple[Any, ...]]]:
        """Give every row of the feed's state."""
        tables = {
            "merchant_total": "merchant, transactions, female, male",
            "pair_total": "merchant, customer, transactions, amount, seen_female, seen_male, weight",
            "ranked_total": "merchant, transactions, customers",
            "weight": "merchant, customer, weight",
        }
        return {
            table: self.connection.execute(
                f"select {columns} from ledger.{table} join ledger.feed using (feed_id) where feed = %s order by 1, 2", [feed]
            ).fetchall()
            for table, columns in tables.items()
        }

    def detect(self, batch_id: int) -> None:
        """Run the detection job, its blobs mirrored as minilake does. In this process: one of its own takes seconds to import."""
        batch = self.ledger.row("select_batch", batch_id=batch_id)
        assert batch is not None
        arguments = job_arguments(batch, storage_url())
        container = ContainerClient.from_connection_string(self.services.blob_connection_string, self.services.blob_container)
        mirror_blobs(container, self.services.mirror_dir, wanted_blobs(arguments))
        environment = {
            "SPARK_REMOTE": self.services.spark_remote,
            "LEDGER_JDBC_URL": self.services.ledger_jdbc_url,
            "LEDGER_USER": self.services.ledger_user,
            "LEDGER_PASSWORD": self.services.ledger_password,
        }
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            detect_patterns.main(arguments)

    def detections(self, feed: str) -> list[Found]:
        """Give the ledger's detections in their order, without those that a rebuild has withdrawn."""
        return self.connection.execute(
            "select chunk, pattern_id, action_type, customer, merchant from ledger.detection join ledger.feed using (feed_id) "
            "where feed = %s and withdrawn_by is null order by ordinal",
            [feed],
        ).fetchall()

    def evidence(self, feed: str) -> dict[Found, Evidence]:
        """Give what the ledger keeps with each of these detections."""
        rows = self.connection.execute(
            "select chunk, pattern_id, action_type, customer, merchant, evidence "
            "from ledger.detection join ledger.feed using (feed_id) where feed = %s and withdrawn_by is null",
            [feed],
        )
        return {tuple(row[:5]): row[5] for row in rows}

    def exported(self, feed: str) -> list[list[tuple[str, ...]]]:
        """Give pattern, action, customer and merchant of every row of every detection file."""
        names = self.connection.execute(
            "select blob_name from ledger.detection_file join ledger.feed using (feed_id) where feed = %s order by file_number",
            [feed],
        ).fetchall()
        files = [csv.reader(io.StringIO(self.blobs.read(name).decode())) for (name,) in names]
        return [[tuple(row[2:]) for row in file][1:] for file in files]
