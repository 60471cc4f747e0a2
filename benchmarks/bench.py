"""What every measure works with: the stack, the ledger, and a feed brought as far as the measure needs it."""

from __future__ import annotations

import itertools
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg

from benchmarks.feeds import Files
from benchmarks.statements import rows
from local.airflow_service import DAG_ID, wait_for_dag
from local.config import Addresses, StackConfig, load_config
from local.drive_standin.tree import DriveTree
from local.postgres import apply_ledger_schema
from local.stack import Stack

if TYPE_CHECKING:
    from feeds.ledger import Ledger
    from feeds.request import FeedRequest

_NUMBERS = itertools.count(1)


def say(line: str) -> None:
    """Tell how far the measuring has come."""
    print(f"[{time.strftime('%H:%M:%S')}] {line}", flush=True)


@dataclass(frozen=True)
class Options:
    """What the command line says.

    Attributes
    ----------
    repeats
        Runs of everything that is compared.
    scale
        Of the long feed of rows 7 and 8: 100 in the table, less for a short look.
    batch_chunks
        Chunks in one batch of row 8.
    idle_minutes
        How long row 10 watches.
    """

    repeats: int = 3
    scale: int = 100
    batch_chunks: int = 600
    idle_minutes: float = 10


@dataclass(frozen=True)
class Bench:
    """A stack that is up, and connections to it."""

    stack: Stack
    config: StackConfig
    connection: psycopg.Connection[Any]
    files: Files
    options: Options

    @property
    def addresses(self) -> Addresses:
        """Where the services are."""
        return self.config.addresses

    @property
    def ledger(self) -> Ledger:
        """The ledger of the stack."""
        from feeds.ledger import Ledger

        return Ledger(self.connection)

    def request(self, files: Files, feed: str, **asked: Any) -> FeedRequest:
        """Put files on Drive under a feed's name; give a request that lands all of it, or what is asked."""
        from feeds.request import FeedRequest

        return FeedRequest(feed, {"interval_seconds": 0}, folder_id=self.put_on_drive(files, feed), **asked)

    def put_on_drive(self, files: Files, feed: str) -> str:
        """Show files on the Drive stand-in, in a folder named like the feed; give the folder's id."""
        folder = self.addresses.drive_root / feed
        folder.mkdir(parents=True, exist_ok=True)
        for name, file in (("transactions.csv", files.transactions), ("CustomerImportance.csv", files.importance)):
            if not (folder / name).exists():
                (folder / name).symlink_to(file.resolve())
        return DriveTree(self.addresses.drive_root).id_of(folder)


def new_feed(files: Files) -> str:
    """Name a feed that is not there yet."""
    return f"bench-{files.name}-{time.strftime('%m%d-%H%M%S')}-{os.getpid()}-{next(_NUMBERS)}"


@contextmanager
def opened(files: Files, options: Options) -> Iterator[Bench]:
    """Use the stack of this checkout, started when it is not up, and let the hooks of this process find its connections."""
    with Stack(say=say).running() as stack:
        # Before anything imports airflow, which reads its configuration when it is imported.
        os.environ.update(stack.airflow_env() | {"AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING"})
        connections = json.loads(stack.addresses.connections_file.read_text())
        os.environ.update({f"AIRFLOW_CONN_{name.upper()}": json.dumps(value) for name, value in connections.items()})
        apply_ledger_schema(stack.addresses)
        with psycopg.connect(stack.addresses.ledger_dsn, autocommit=True) as connection:
            bench = Bench(stack, load_config(stack.directory), connection, files, options)
            was_paused = is_paused(bench)
            try:
                yield bench
            finally:
                set_paused(bench, paused=was_paused)


@contextmanager
def airflow_kept_off(bench: Bench) -> Iterator[None]:
    """Pause the DAG while a measure calls the tasks' functions itself, and leave nothing behind that Airflow would go on with."""
    set_paused(bench, paused=True)
    try:
        yield
    finally:
        rows(bench.connection, "abandon_feeds")


def set_paused(bench: Bench, *, paused: bool) -> None:
    """Let Airflow start tasks of the DAG, or not."""
    with bench.stack.airflow_client() as client:
        wait_for_dag(client)
        client.patch(f"/dags/{DAG_ID}", json={"is_paused": paused}).raise_for_status()


def is_paused(bench: Bench) -> bool:
    """Say whether Airflow starts no tasks of the DAG."""
    with bench.stack.airflow_client() as client:
        wait_for_dag(client)
        return bool(client.get(f"/dags/{DAG_ID}").raise_for_status().json()["is_paused"])
