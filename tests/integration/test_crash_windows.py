"""Every window between two effects: the state that a crash leaves there, and what the next try makes of it.

Against the functions behind the tasks, PostgreSQL, Azurite and the Drive stand-in; the detection job is stood in for
(staged_by_hand.py). A run is stopped, then either the task that was stopped is tried again, as Airflow does, or a new run starts.
Both must give what an undisturbed run gives: ledger, state, and the bytes of every blob, times aside (snapshot.py).
"""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

import pytest

from feeds.request import FeedRequest
from tests.conftest import FeedFiles
from tests.integration.crashing import Crash, Effects
from tests.integration.dag_run import TASKS, DagRun, RunFailedError, Workspace, World
from tests.integration.small_feed import State, request
from tests.integration.snapshot import KINDS, snapshot, stored_blobs

AGAIN = pytest.mark.parametrize("what", ["the task", "a new run"])


def stopped(world: World, asked: FeedRequest, effects: Effects) -> DagRun:
    """Start a run, and stop it."""
    run = DagRun(world, asked)
    with pytest.raises((Crash, RunFailedError)):
        run.go_on(effects)
    return run


def again(world: World, run: DagRun, what: str) -> None:
    """Try the stopped task again, then what follows it; or start a new run. A job that has failed costs one more try."""
    if what == "a new run":
        run = DagRun(world, run.request)
    try:
        run.go_on()
    except RunFailedError:
        run.go_on()


def left(world: World, feed: str) -> dict[str, Any]:
    """Give what a stopped run has left."""
    counts = {
        "feeds": "select count(*) from ledger.feed where feed = %s",
        "importance rows": "select count(*) from ledger.importance_part join ledger.feed using (feed_id) where feed = %s",
        "chunk rows": "select count(*) from ledger.chunk join ledger.feed using (feed_id) where feed = %s",
        "batches": "select count(*) from ledger.batch join ledger.feed using (feed_id) where feed = %s",
        "complete stagings": "select count(*) from ledger.staged join ledger.feed using (feed_id) where feed = %s",
        "stagings": "select count(*) from ledger.staged_batch join ledger.batch using (batch_id) "
        "join ledger.feed using (feed_id) where feed = %s",
        "some pairs": "select count(*) > 0 from ledger.staged_pair join ledger.batch using (batch_id) "
        "join ledger.feed using (feed_id) where feed = %s",
        "state": "select count(*) > 0 from ledger.pair_total join ledger.feed using (feed_id) where feed = %s",
        "applied": "select applied from ledger.feed_position where feed = %s",
        "some reserved": "select count(*) > 0 from ledger.detection_file join ledger.feed using (feed_id) where feed = %s",
        "confirmed files": "select count(*) from ledger.detection_file join ledger.feed using (feed_id) "
        "where feed = %s and uploaded_at is not null",
        "exported": "select count(exported_at) from ledger.batch join ledger.feed using (feed_id) where feed = %s",
    }
    # Of a feed that is not there yet, feed_position has no row.
    rows = {name: world.connection.execute(query, [feed]).fetchone() for name, query in counts.items()}
    stored = Counter(name.partition("/")[0] for name in stored_blobs(world.blobs, feed))
    return (
        {name: row and row[0] for name, row in rows.items()}
        | {f"{kind} blobs": stored[kind] for kind in KINDS}
        | {"runs of the job": len(world.workspace.started)}
    )


class Window(NamedTuple):
    """Where a run stops: before the ``time``-th effect whose name begins with ``before``; and facts that it leaves."""

    name: str
    before: str
    facts: dict[str, Any]
    time: int = 1


WINDOWS = (
    Window("files found | feed created", "insert_feed", {"feeds": 0}),
    Window("feed created | first chunk", "write chunks", {"feeds": 1, "chunks blobs": 0, "chunk rows": 0}),
    Window("Drive revision read | range read", "read a range of transactions.csv", {"feeds": 1, "chunks blobs": 0}, 2),
    Window("importance half read | its blob", "read a range of CustomerImp", {"importance blobs": 0, "importance rows": 0}, 2),
    Window("importance blob written | its ledger row", "insert_importance", {"importance blobs": 1, "importance rows": 0}),
    Window("importance | end of its transaction", "end of the transaction", {"importance blobs": 1, "importance rows": 0}),
    Window("rejects written | blob written", "write chunks", {"rejects blobs": 1, "chunks blobs": 0, "chunk rows": 0}),
    Window("blob written | ledger row", "insert_chunk", {"chunks blobs": 1, "chunk rows": 0}),
    Window("last blob written | ledger row", "insert_chunk", {"chunks blobs": 2, "chunk rows": 1}, 2),
    Window("last ledger row | batch opened", "delete_stale_staging", {"chunk rows": 2, "batches": 0}),
    Window("batch opened | end of its transaction", "end of the transaction", {"chunk rows": 2, "batches": 0}, 2),
    Window("batch opened | landing succeeds", "land_chunks succeeds", {"batches": 1, "runs of the job": 0}),
    Window("batch opened | job submitted", "submit the job", {"batches": 1, "runs of the job": 0}),
    Window("job submitted | run id kept", "keep the run id", {"runs of the job": 1, "complete stagings": 1}),
    Window(
        "job killed: half staged | the rest", "job: stage a part of staged_pair", {"some pairs": True, "complete stagings": 0}, 2
    ),
    Window("job killed: pairs | complete", "job: stage a part of staged_batch", {"some pairs": True, "complete stagings": 0}),
    Window("job killed: complete | detections", "job: stage a part of staged_detection", {"stagings": 1, "complete stagings": 0}),
    Window("job killed: a detection | all", "job: stage a part of staged_detection", {"stagings": 1, "complete stagings": 0}, 2),
    Window("staging written | commit", "commit: select", {"complete stagings": 1, "applied": 0, "state": False}),
    Window("state changed | commit", "commit: update ledger.chunk", {"complete stagings": 1, "applied": 0, "state": False}),
    Window("staging dropped | commit", "commit: end", {"complete stagings": 1, "applied": 0, "state": False}),
    Window("commit | task succeeds", "commit_batch succeeds", {"some pairs": False, "applied": 2, "state": True}),
    Window("ordinal reserved | transaction", "end of the transaction", {"applied": 2, "some reserved": False}, 3),
    Window("ordinal reserved | file uploaded", "write detections", {"some reserved": True, "detections blobs": 0}),
    Window("file uploaded | file confirmed", "confirm_file", {"detections blobs": 1, "confirmed files": 0}),
    Window("file confirmed | next file", "write detections", {"detections blobs": 1, "confirmed files": 1}, 2),
    Window("last file confirmed | batch exported", "set_exported", {"some reserved": True, "exported": 0}),
    Window("batch exported | run succeeds", "record_success", {"applied": 2, "exported": 1}),
)


@AGAIN
@pytest.mark.parametrize("window", WINDOWS, ids=lambda window: window.name)
def test_a_crash_in_a_window(world: World, files: FeedFiles, calm: State, feed: str, window: Window, what: str) -> None:
    run = stopped(world, request(files, feed), Effects(before=window.before, time=window.time))
    assert {name: found for name, found in left(world, feed).items() if name in window.facts} == window.facts
    again(world, run, what)
    assert snapshot(world.connection, world.blobs, feed) == calm
    assert len(world.workspace.started) == len(set(world.workspace.started)) == (2 if window.name.startswith("job killed") else 1)


def test_a_crash_before_any_effect(world: World, files: FeedFiles, calm: State, subtests: pytest.Subtests) -> None:
    reached = True
    number = 0
    while reached:
        number += 1
        for what in ("the task", "a new run"):
            effects, feed = Effects(at={number}), f"before-{number}-{what[-1]}"
            run = DagRun(world, request(files, feed))
            try:
                run.go_on(effects)
            except (Crash, RunFailedError):
                if what == "a new run" and run.todo[0] == "land_chunks":
                    continue  # its first task is the one that is tried again
            with subtests.test(f"{number}: {effects.windows}, then {what} again"):
                again(world, run, what)
                assert snapshot(world.connection, world.blobs, feed) == calm
            reached = bool(effects.windows)
    assert number > len(WINDOWS)


def test_a_failed_run_whose_failure_was_not_recorded(world: World, files: FeedFiles, calm: State, feed: str) -> None:
    effects = Effects()
    DagRun(world, request(files, f"{feed}-first")).go_on(effects)
    killed = effects.names.index("job: stage a part of staged_pair") + 1
    world.workspace = Workspace()
    effects = Effects(at={killed, killed + 2})
    run = stopped(world, request(files, feed), effects)
    assert effects.windows[1] == "keep the run id | fail_batch"
    with pytest.raises(RunFailedError):
        run.go_on()  # finds the failed run again, and records it
    assert len(world.workspace.started) == 1
    run.go_on()
    assert len(world.workspace.started) == 2
    assert snapshot(world.connection, world.blobs, feed) == calm


@AGAIN
def test_a_run_of_the_job_that_databricks_has_forgotten(
    world: World, files: FeedFiles, calm: State, feed: str, what: str
) -> None:
    run = stopped(world, request(files, feed), Effects(before="keep the run id"))
    world.workspace.succeeded.clear()
    run.world.workspace.started.clear()
    effects = Effects(before="commit: select")
    with pytest.raises(Crash):
        run.go_on(effects)
    assert world.connection.execute("select count(*) from ledger.staged_batch").fetchone() == (2,)
    again(world, run, what)
    assert snapshot(world.connection, world.blobs, feed) == calm


def test_a_job_that_ends_after_the_commit_of_its_batch(world: World, files: FeedFiles, calm: State, feed: str) -> None:
    run = world.run(request(files, feed))
    run.stage_again()
    assert snapshot(world.connection, world.blobs, feed)["staged"] != {}
    world.run(request(files, feed))
    assert snapshot(world.connection, world.blobs, feed) == calm


@pytest.mark.parametrize("task", TASKS)
def test_a_cleared_task_of_a_finished_run_changes_nothing(
    world: World, files: FeedFiles, calm: State, feed: str, task: str
) -> None:
    run = world.run(request(files, feed))
    world.workspace.succeeded.clear()  # so that the job runs again as well
    run.clear(task)
    run.go_on()
    assert snapshot(world.connection, world.blobs, feed) == calm


def test_staging_that_is_lost_after_the_job_has_succeeded(world: World, files: FeedFiles, calm: State, feed: str) -> None:
    run = stopped(world, request(files, feed), Effects(before="commit: select"))
    world.connection.execute("delete from ledger.staged_batch")
    with pytest.raises(RunFailedError, match="has no complete staging"):
        run.go_on()
    world.run(request(files, feed))
    assert snapshot(world.connection, world.blobs, feed) == calm
