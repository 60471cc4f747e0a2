"""Runs of the DAG without Airflow: the functions behind its tasks, in its order, killed, tried again and cleared at will."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import psycopg
from azure.storage.blob import ContainerClient

from feeds.batches import take_batch
from feeds.blobs import Blobs
from feeds.detection import record_lost_staging
from feeds.drive import DriveHook
from feeds.export import export_detections
from feeds.landing import land
from feeds.ledger import Ledger, Row
from feeds.request import FeedRequest
from feeds.submission import idempotency_token
from local.config import Addresses
from local.postgres import apply_ledger_schema
from tests.conftest import drop_ledger
from tests.integration.crashing import Crash, CrashingBlobs, CrashingDrive, CrashingHook, CrashingLedger, Effects
from tests.integration.pipeline import commit
from tests.integration.staged_by_hand import StagedByHand

if TYPE_CHECKING:
    from airflow.sdk import Context


TASKS = ("land_chunks", "detect_patterns", "commit_batch", "export")


class RunFailedError(Exception):
    """The job's run has failed, or has left nothing to commit: the task fails, and the next submission has another token."""


@dataclass
class Workspace:
    """What Databricks knows of: a submission with a known token starts nothing.

    Attributes
    ----------
    succeeded
        By idempotency token: how the run ended.
    started
        The tokens of all runs that were ever started, those forgotten too.
    """

    succeeded: dict[str, bool] = field(default_factory=dict)
    started: list[str] = field(default_factory=list)

    def submit(self, token: str, job: Callable[[], None]) -> None:
        """Start a run, unless one is known. It goes on to its end, whatever happens to the task that submitted it."""
        if token in self.succeeded:
            return
        self.started.append(token)
        try:
            job()
        except Crash:
            self.succeeded[token] = False  # of the job's process, not of the task's
        else:
            self.succeeded[token] = True


@dataclass
class World:
    """The services that runs work on; the connection is opened again when a crash has closed it."""

    services: Addresses
    drive: DriveHook
    blobs: Blobs
    workspace: Workspace = field(default_factory=Workspace)
    _connection: psycopg.Connection | None = None

    @property
    def connection(self) -> psycopg.Connection:
        """A connection to the ledger."""
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(self.services.ledger_dsn, autocommit=True)
        return self._connection

    @property
    def ledger(self) -> Ledger:
        """The ledger, undisturbed."""
        return Ledger(self.connection)

    def run(self, request: FeedRequest) -> DagRun:
        """Let a run go through, undisturbed."""
        run = DagRun(self, request)
        run.go_on()
        return run

    def exhaust(self, request: FeedRequest) -> None:
        """Let runs go through until the feed has nothing left to land, apply or write."""
        for _ in range(4):
            self.run(request)
            waiting = self.connection.execute(
                "select p.landed_to_end and p.applied = p.landed and not exists (select from ledger.detection_file l "
                "where l.feed_id = p.feed_id and l.uploaded_at is null) from ledger.feed_position p where feed = %s",
                [request.feed],
            ).fetchone()
            if waiting == (True,):
                return
        raise AssertionError(f"feed {request.feed} is not exhausted after four undisturbed runs")


@contextmanager
def empty_world(services: Addresses) -> Iterator[World]:
    """Give the services with an empty ledger, and a container of its own."""
    blobs = Blobs()
    blobs.container = f"world-{uuid.uuid4().hex}"
    container = ContainerClient.from_connection_string(services.blob_connection_string, blobs.container)
    container.create_container()
    world = World(services, DriveHook(), blobs)
    drop_ledger(services)
    apply_ledger_schema(services)
    try:
        yield world
    finally:
        world.connection.close()
        container.delete_container()  # at once, unlike thousands of blobs


@dataclass
class DagRun:
    """One run of the DAG, task by task.

    Attributes
    ----------
    batch_id
        What land_chunks has given to the tasks behind it; ``None``: they are skipped.
    todo
        The names of the tasks that have not succeeded.
    """

    world: World
    request: FeedRequest
    batch_id: int | None = None
    todo: list[str] = field(default_factory=lambda: list(TASKS))

    def go_on(self, effects: Effects | None = None) -> None:
        """Run the tasks that have not succeeded; one that fails or crashes stays the first of them, to be tried again."""
        effects = effects or Effects()
        ledger = CrashingLedger(self.world.connection, effects)
        while self.todo:
            getattr(self, f"_{self.todo[0]}")(ledger, effects)
            effects.come(f"{self.todo[0]} succeeds")
            self.todo.pop(0)

    def stage_again(self) -> None:
        """Let the job of the run's batch run once more: one that Databricks had forgotten, and that ends only now."""
        batch = self.world.ledger.row("select_batch", batch_id=self.batch_id)
        assert batch is not None
        self._job(batch, Effects())

    def clear(self, task: str) -> None:
        """Let a task and all that follow it run again, if those before it have succeeded; what these have given stays."""
        self.todo = list(TASKS[min(TASKS.index(task), len(TASKS) - len(self.todo)) :])

    def _land_chunks(self, ledger: Ledger, effects: Effects) -> None:
        world = self.world
        blobs = CrashingBlobs(effects, world.blobs)
        land(ledger, CrashingDrive(effects, world.drive), blobs, self.request)
        batch = take_batch(ledger, blobs, self.request)
        self.batch_id = None if batch is None else batch["batch_id"]

    def _detect_patterns(self, ledger: Ledger, effects: Effects) -> None:
        if self.batch_id is None:
            return
        batch = ledger.row("select_batch", batch_id=self.batch_id)
        assert batch is not None
        token = idempotency_token(batch)
        effects.come("submit the job")
        self.world.workspace.submit(token, lambda: self._job(batch, effects))
        effects.come("keep the run id")
        if not self.world.workspace.succeeded[token]:
            ledger.run("fail_batch", batch_id=batch["batch_id"], generation=batch["generation"], error="the job's run failed")
            raise RunFailedError(token)

    def _job(self, batch: Row, effects: Effects) -> None:
        StagedByHand(self.world.connection, self.world.blobs, batch, effects).run()

    def _commit_batch(self, _ledger: Ledger, effects: Effects) -> None:
        if self.batch_id is None:
            return
        try:
            commit(self.batch_id, CrashingHook(effects))
        except psycopg.errors.RaiseException as error:
            # What Airflow calls when the task fails.
            dag = SimpleNamespace(roots=[SimpleNamespace(task_id="land_chunks")])
            ti = SimpleNamespace(xcom_pull=lambda task_ids: {"land_chunks": {"batch_id": self.batch_id}}[task_ids])
            record_lost_staging(cast("Context", {"dag": dag, "ti": ti}))
            raise RunFailedError(str(error)) from error

    def _export(self, ledger: Ledger, effects: Effects) -> None:
        export_detections(ledger, CrashingBlobs(effects, self.world.blobs), self.request.feed, flush=self.request.flush)
        ledger.run("record_success", feed=self.request.feed)
