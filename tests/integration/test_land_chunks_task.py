"""The task that lands chunks and opens their batch: what it gives to the tasks behind it, and what it leaves when it fails."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from airflow.sdk.exceptions import AirflowSkipException

from feeds import tasks
from feeds.assets import CHUNKS
from feeds.errors import FeedSettingsError, RejectLimitError
from feeds.forms import trigger_params
from tests.conftest import FeedFiles
from tests.integration.test_landing import HEADER, all_applied, rows

Connection = psycopg.Connection[Any]
MakeFeed = Callable[..., FeedFiles]
SETTINGS = {"chunk_size": 100, "interval_seconds": 0}


class Task:
    """Runs the task with what somebody asks for, as Airflow would: in a context, with an empty set of XComs."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch
        self.xcoms: dict[str, Any] = {}
        self.published: dict[str, Any] = {}

    def __call__(self, **asked: Any) -> dict[str, Any]:
        self.xcoms = {}
        events: Any = defaultdict(lambda: SimpleNamespace(extra={}))
        context = {
            "params": {name: param.value for name, param in trigger_params().items()} | asked,
            "dag_run": SimpleNamespace(conf=asked, run_id="r"),
            "ti": SimpleNamespace(xcom_push=lambda key, value: self.xcoms.update({key: value})),
            "outlet_events": events,
        }
        self._patch.setattr(tasks, "get_current_context", lambda: context)
        try:
            return tasks.land_chunks(asked.get("feed", ""))
        finally:
            self.published = events[CHUNKS].extra


@pytest.fixture
def task(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> Task:
    return Task(monkeypatch)


def applied_meanwhile(connection: Connection) -> None:
    """Let all that has landed be applied, and no batch be open."""
    connection.execute("delete from ledger.batch")
    all_applied(connection)


def test_what_it_gives_to_the_tasks_behind_it(task: Task, make_feed: MakeFeed) -> None:
    feed = make_feed("f", HEADER + rows(250))
    given = task(feed="f", folder_id=feed.folder_id, last_chunk=2, **SETTINGS)
    assert given.pop("batch_id") > 0
    last_blob = "chunks/f/chunk-000002.csv"
    landed = {"feed": "f", "landed": 2, "applied": 0, "new_chunks": 2}
    assert given == {**landed, "first_chunk": 1, "last_chunk": 2, "last_blob": last_blob}
    assert task.xcoms == {"feed": "f"}
    assert task.published == {"feed": "f", "last_chunk": 2, "new_chunks": 2}


def test_the_blob_that_is_waited_for_is_the_batchs_last(task: Task, make_feed: MakeFeed) -> None:
    feed = make_feed("f", HEADER + rows(350))
    given = task(feed="f", folder_id=feed.folder_id, last_chunk=3, batch_chunks=2, **SETTINGS)
    assert (given["landed"], given["last_chunk"], given["last_blob"]) == (3, 2, "chunks/f/chunk-000002.csv")


def test_no_blob_is_waited_for_when_there_is_nothing_to_apply(task: Task, connection: Connection, make_feed: MakeFeed) -> None:
    feed = make_feed("f", HEADER + rows(350))
    task(feed="f", folder_id=feed.folder_id, last_chunk=3, **SETTINGS)
    applied_meanwhile(connection)
    given = task(feed="f", last_chunk=3)
    assert (given["batch_id"], given["last_chunk"], given["last_blob"]) == (None, None, "")
    given = task(feed="f", rebuild=True)
    assert (given["first_chunk"], given["last_blob"]) == (1, "chunks/f/chunk-000003.csv")


def test_a_feed_of_which_nothing_has_landed_has_nothing_to_apply_and_nothing_to_rebuild(task: Task, make_feed: MakeFeed) -> None:
    feed = make_feed("f", HEADER)
    given = task(feed="f", folder_id=feed.folder_id, **SETTINGS)
    assert (given["landed"], given["batch_id"], given["last_blob"]) == (0, None, "")
    with pytest.raises(FeedSettingsError, match="has no applied chunk: there is nothing to rebuild"):
        task(feed="f", rebuild=True)


def test_what_lands_behind_the_applied_chunks_is_waited_for(task: Task, connection: Connection, make_feed: MakeFeed) -> None:
    feed = make_feed("f", HEADER + rows(350))
    task(feed="f", folder_id=feed.folder_id, last_chunk=2, **SETTINGS)
    applied_meanwhile(connection)
    given = task(feed="f", last_chunk=3)
    assert (given["applied"], given["first_chunk"], given["last_blob"]) == (2, 3, "chunks/f/chunk-000003.csv")


def test_a_run_that_nobody_triggered_takes_the_feed_that_is_due(task: Task, make_feed: MakeFeed) -> None:
    feed = make_feed("f", HEADER + rows(350))
    task(feed="f", folder_id=feed.folder_id, last_chunk=1, **SETTINGS)
    task(feed="f")  # without a range: it is followed from now on, and all of it lands
    given = task()
    assert given["feed"] == task.xcoms["feed"] == "f"
    assert given["last_blob"] == "chunks/f/chunk-000001.csv", "the batch that was open"
    assert set(task.xcoms) == {"feed", "due_at"}


def test_a_run_for_which_nothing_is_due_is_skipped(task: Task) -> None:
    with pytest.raises(AirflowSkipException, match="nothing was due"):
        task()
    assert task.xcoms == {"skipped_because": "nothing was due"}


def test_a_run_that_contradicts_itself_touches_nothing(task: Task, connection: Connection) -> None:
    with pytest.raises(FeedSettingsError, match="names none in feed"):
        task(rebuild=True)
    assert task.xcoms == {}


def test_what_fails_leaves_which_feed_it_was_about(task: Task, make_feed: MakeFeed) -> None:
    feed = make_feed("f", HEADER + b"too,few\n" + rows(250))
    with pytest.raises(RejectLimitError):
        task(feed="f", folder_id=feed.folder_id, max_reject_percent=0, **SETTINGS)
    assert task.xcoms == {"feed": "f"}
