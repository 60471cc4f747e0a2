"""Runs a feed through the functions behind the tasks, with the job as a process on the warm Spark, without Airflow."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from airflow.providers.postgres.hooks.postgres import PostgresHook
from azure.storage.blob import ContainerClient

from feeds.blobs import Blobs, storage_url
from feeds.detection import job_arguments, open_batch
from feeds.drive import DriveHook
from feeds.export import export_detections
from feeds.landing import land
from feeds.ledger import Ledger, statement
from local.config import Addresses
from local.mirror import mirror_blobs, wanted_blobs
from tests.conftest import CHECKOUT, FeedFiles, Found


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

    def detect(self, batch_id: int) -> None:
        """Run the detection job as minilake does: blobs mirrored, then a process of its own."""
        batch = self.ledger.row("select_batch", batch_id=batch_id)
        assert batch is not None
        arguments = job_arguments(batch, storage_url())
        container = ContainerClient.from_connection_string(self.services.blob_connection_string, self.services.blob_container)
        mirror_blobs(container, self.services.mirror_dir, wanted_blobs(arguments))
        run_job(self.services, arguments)

    def detections(self, feed: str) -> list[Found]:
        """Give the ledger's detections in their order."""
        return self.connection.execute(
            "select chunk, pattern_id, action_type, customer, merchant from ledger.detection join ledger.feed using (feed_id) "
            "where feed = %s order by ordinal",
            [feed],
        ).fetchall()

    def exported(self, feed: str) -> list[list[tuple[str, ...]]]:
        """Give pattern, action, customer and merchant of every row of every detection file."""
        names = self.connection.execute(
            "select blob_name from ledger.detection_file join ledger.feed using (feed_id) where feed = %s order by file_number",
            [feed],
        ).fetchall()
        files = [csv.reader(io.StringIO(self.blobs.read(name).decode())) for (name,) in names]
        return [[tuple(row[2:]) for row in file][1:] for file in files]


def run_job(services: Addresses, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run spark_jobs/detect_patterns.py with these arguments; its output is part of the error when it fails."""
    environment = os.environ | {
        "SPARK_REMOTE": services.spark_remote,
        "LEDGER_JDBC_URL": services.ledger_jdbc_url,
        "LEDGER_USER": services.ledger_user,
        "LEDGER_PASSWORD": services.ledger_password,
    }
    job = [sys.executable, str(CHECKOUT / "spark_jobs" / "detect_patterns.py"), *arguments]
    done = subprocess.run(job, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done
