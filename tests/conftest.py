"""Fixtures shared by all layers: the embedded stack, a fresh ledger, a feed on the Drive stand-in.

Tests use a stack of their own under ``.stack/tests``; one that ``make up`` started is left alone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[1]
STACK_FOLDER = CHECKOUT / ".stack" / "tests"

# Before anything imports airflow, which reads its configuration and makes its home when it is imported.
os.environ["STACK_DIR"] = str(STACK_FOLDER)
os.environ["AIRFLOW_HOME"] = str(STACK_FOLDER / "airflow")
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__CORE__DAGS_FOLDER"] = str(CHECKOUT / "dags")
os.environ["AIRFLOW__CORE__PLUGINS_FOLDER"] = str(CHECKOUT / "plugins")

import psycopg
import pytest

from feeds.blobs import Blobs
from feeds.drive import DriveHook
from feeds.ledger import Ledger
from feeds.request import FeedRequest
from local.config import Addresses
from local.drive_standin.tree import DriveTree
from local.generate import generate
from local.postgres import apply_ledger_schema
from local.stack import Stack
from tests import reference

Found = tuple[int, str, str, str, str]
"""A detection: chunk, pattern, action, customer, merchant."""

RULES = {
    "chunk_size": 500,
    "upgrade_min_transactions": 400,
    "child_min_transactions": 5,
    "child_max_average": 40,
    "dei_min_female": 3,
    "detections_per_file": 7,
}
"""Rules under which a generated feed of 3,000 rows yields detections of all three patterns."""


def expected(transactions: Path, importance: Path, settings: dict[str, Any]) -> list[Found]:
    """Give what the reference implementation finds."""
    return [
        (d.chunk, d.pattern_id, d.action_type, d.customer, d.merchant)
        for d in reference.detect(transactions, importance, settings)
    ]


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Give a feed of 3,000 rows: six chunks under ``RULES``, and detections of all three patterns."""
    folder = tmp_path_factory.mktemp("small")
    transactions, importance = folder / "t.csv", folder / "i.csv"
    generate(transactions, importance, rows=3_000, seed=7, customers=60, merchants=12)
    return transactions, importance


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The tests' stack; services start when a fixture asks for them, and stop at the end of the session."""
    stack = Stack(STACK_FOLDER)
    stack.stop()  # what a killed session left
    with stack.running(()):
        yield stack


@pytest.fixture(scope="session")
def services(stack: Stack) -> Iterator[Addresses]:
    """PostgreSQL, Azurite and the Drive stand-in, with Airflow's connections to them."""
    stack.start(["postgres", "azurite", "drive"])
    connections = json.loads(stack.addresses.connections_file.read_text())
    with pytest.MonkeyPatch.context() as patch:
        for name, connection in connections.items():
            patch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(connection))
        yield stack.addresses


@pytest.fixture(scope="session")
def spark_services(services: Addresses, stack: Stack) -> Iterator[Addresses]:
    """Spark besides the others."""
    from pyspark.sql import SparkSession

    stack.start(["postgres", "azurite", "drive", "spark"])
    yield stack.addresses
    # Sessions that tests have opened in this process would try to reach the server for minutes after it has stopped.
    if (session := SparkSession.getActiveSession()) is not None:
        session.stop()


@pytest.fixture
def connection(services: Addresses) -> Iterator[psycopg.Connection[Any]]:
    """Connect to the ledger's database as the writer; it is emptied, and has the schema."""
    with empty_ledger(services) as connection:
        yield connection


@contextmanager
def empty_ledger(services: Addresses) -> Iterator[psycopg.Connection[Any]]:
    """Connect to the ledger's database as the writer; it is emptied, and has the schema."""
    drop_ledger(services)
    apply_ledger_schema(services)
    with psycopg.connect(services.ledger_dsn, autocommit=True) as connection:
        yield connection


def drop_ledger(addresses: Addresses) -> None:
    """Drop the ledger, as its owner."""
    with psycopg.connect(addresses.ledger_owner_dsn, autocommit=True) as owner:
        owner.execute("drop schema if exists ledger cascade")


def apply_again(addresses: Addresses) -> None:
    """Apply the schema as if its text had changed."""
    with psycopg.connect(addresses.ledger_owner_dsn, autocommit=True) as owner:
        owner.execute("delete from ledger.applied_schema")
    apply_ledger_schema(addresses)


@pytest.fixture
def ledger(connection: psycopg.Connection[Any]) -> Ledger:
    """An empty ledger."""
    return Ledger(connection)


@pytest.fixture
def blobs(services: Addresses) -> Blobs:
    """The pipeline's container in Azurite."""
    return Blobs()


@pytest.fixture
def drive(services: Addresses) -> DriveHook:
    """The Drive hook on the stand-in."""
    return DriveHook()


@dataclass(frozen=True)
class FeedFiles:
    """A feed's files on the Drive stand-in, in a folder named like the feed."""

    feed: str
    folder: Path
    folder_id: str

    @property
    def transactions(self) -> Path:
        """The transactions file; write to it to change what Drive has."""
        return self.folder / "transactions.csv"

    def request(self, *, first: int | None = None, last: int | None = None, **settings: Any) -> FeedRequest:
        """What a run asks for, with everything due at once unless told otherwise."""
        given = {"interval_seconds": 0} | settings
        return FeedRequest(self.feed, given, folder_id=self.folder_id, first_chunk=first, last_chunk=last)


IMPORTANCE = b"Source,Target,Weight,typeTrans,fraud\n'C1','M1',1.50,'es_food',0\n"


@contextmanager
def files_on_drive(services: Addresses, feed: str, transactions: bytes, importance: bytes = IMPORTANCE) -> Iterator[FeedFiles]:
    """Put a transactions file and an importance file on Drive, and take them away again."""
    folder = services.drive_root / feed
    folder.mkdir(parents=True)
    _delete_blobs(feed)
    try:
        (folder / "transactions.csv").write_bytes(transactions)
        (folder / "CustomerImportance.csv").write_bytes(importance)
        folder_id = next(node.id for node in DriveTree(services.drive_root).nodes() if node.path == folder)
        yield FeedFiles(feed, folder, folder_id)
    finally:
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()


def _delete_blobs(feed: str) -> None:
    """Delete the blobs of an earlier feed of this name: the ledger is emptied for each test, Blob Storage is not."""
    blobs = Blobs()
    for kind in ("chunks", "rejects", "importance", "detections"):
        for name in blobs.names(f"{kind}/{feed}/"):
            blobs._hook.delete_file(blobs.container, name)


@pytest.fixture
def make_feed(services: Addresses) -> Iterator[Callable[..., FeedFiles]]:
    """Put a transactions file and an importance file on Drive: ``make_feed(name, transactions, importance)``."""
    with ExitStack() as made:
        yield lambda feed, *contents: made.enter_context(files_on_drive(services, feed, *contents))
