"""Makes the events of a plan happen: waits for the moment, finds the target, kills it, and says when it is healthy again."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
import psutil

from local.airflow_service import DAG_ID
from local.chaos.feed import ChaosFeed
from local.chaos.plan import Event, Kind
from local.chaos.scene import Scene, now, wait_for
from local.config import StackError

_ANCHOR_SECONDS = 12
_TARGET_SECONDS = 90
_PROGRAMS = {
    Kind.SPARK: "spark",
    Kind.POSTGRES: "postgres",
    Kind.AZURITE: "azurite",
    Kind.SCHEDULER: "airflow-scheduler",
    Kind.TRIGGERER: "airflow-triggerer",
}


class NoTargetError(RuntimeError):
    """What an event is about did not turn up any more."""


@dataclass(frozen=True)
class Hit:
    """What an event has done.

    Attributes
    ----------
    what
        In words.
    healthy
        Says whether what was hit is well again; ``None``: nothing was made ill.
    """

    what: str
    healthy: Callable[[], bool] | None


def happen(scene: Scene, feed: ChaosFeed, event: Event) -> Hit:
    """Wait for the moment of an event and let it happen.

    Raises
    ------
    NoTargetError
        There is nothing to kill: the feed came to its end first.
    """
    _wait_for_moment(scene, feed, event)
    match event.kind:
        case Kind.TASK | Kind.WORKER:
            return _kill_task(scene, feed, event)
        case Kind.JOB:
            return _kill_job(scene, feed)
        case Kind.CLEAR:
            return _clear(scene, feed, event)
        case Kind.COMPETE:
            return _compete(feed, event)
        case _:
            return _kill_program(scene, _PROGRAMS[event.kind])


def _wait_for_moment(scene: Scene, feed: ChaosFeed, event: Event) -> None:
    """Wait until the event's task runs, or another one when it does not come, and then for the drawn time."""
    deadline = time.monotonic() + _ANCHOR_SECONDS

    def anchored() -> bool:
        names = {task["task_id"] for task in scene.running_tasks()}
        if not names:
            _keep_going(scene, feed)
        return event.task in names or (bool(names) and time.monotonic() > deadline)

    with contextlib.suppress(StackError):  # then at any moment
        wait_for(f"a running task {event.task}", anchored, _TARGET_SECONDS)
    time.sleep(event.delay)
    feed.progress()


def _keep_going(scene: Scene, feed: ChaosFeed) -> None:
    """Trigger a run when the feed is done and nothing would run any more."""
    if feed.is_done() and not scene.busy():
        feed.start()


def _kill_task(scene: Scene, feed: ChaosFeed, event: Event) -> Hit:
    deadline = time.monotonic() + _ANCHOR_SECONDS

    def target() -> dict[str, Any] | None:
        tasks = [task for task in scene.running_tasks() if task["process"] is not None]
        if not tasks:
            _keep_going(scene, feed)
        if time.monotonic() < deadline:  # the drawn one may have ended meanwhile: the next of its name, if it comes soon
            tasks = [task for task in tasks if task["task_id"] == event.task]
        if not tasks:
            return None
        process = tasks[0]["process"]
        (process.parent() if event.kind is Kind.WORKER else process).kill()
        return tasks[0]

    task = wait_for("a running task", target, _TARGET_SECONDS)

    def tried_again() -> bool:
        """Whether its next try runs, or after the last one the next run; or the killed one had said before that it succeeded."""
        there = {other["task_id"]: other for other in scene.tasks(task["dag_run_id"])}[task["task_id"]]
        if there["state"] in ("success", "deferred", "skipped"):
            return True
        others = [other for other in scene.running_tasks() if _try_of(other) != _try_of(task)]
        return bool(others) or (there["state"] == "failed" and feed.is_done())

    worker = "the worker with " if event.kind is Kind.WORKER else ""
    return Hit(f"{worker}task {task['task_id']}, try {task['try_number']}", tried_again)


def _try_of(task: dict[str, Any]) -> tuple[str, str, int]:
    return task["dag_run_id"], task["task_id"], task["try_number"]


def _kill_job(scene: Scene, feed: ChaosFeed) -> Hit:
    def target() -> int:
        for pid in scene.job_processes():
            psutil.Process(pid).kill()
            return pid
        if feed.is_done():
            raise NoTargetError("no job comes any more: the feed is done")
        return 0

    killed = wait_for("a job", target, _TARGET_SECONDS)
    before = feed.applied

    def next_job() -> bool:
        feed.progress()
        return bool(set(scene.job_processes()) - {killed}) or feed.applied > before

    return Hit("the Databricks job", next_job)


def _kill_program(scene: Scene, program: str) -> Hit:
    pid = wait_for(f"{program} to run", lambda: scene.service_pid(program), _TARGET_SECONDS)
    doomed = [psutil.Process(pid)]
    if program == "postgres":
        doomed += doomed[0].children(recursive=True)
    since = now()
    for process in doomed:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()

    def healthy() -> bool:
        if scene.service_pid(program) in (0, pid):
            return False
        component = program.removeprefix("airflow-")
        return scene.is_up(program) if component == program else _heartbeat(scene, component) > since

    return Hit(program.replace("-", "'s ").capitalize() + (f" and {len(doomed) - 1} backends" if doomed[1:] else ""), healthy)


def _heartbeat(scene: Scene, component: str) -> datetime:
    return datetime.fromisoformat(scene.health()[component][f"latest_{component}_heartbeat"])


def _clear(scene: Scene, feed: ChaosFeed, event: Event) -> Hit:
    """Clear the event's task and what follows it, in a run that is at work or in one that has ended."""
    running = scene.runs("running")
    ended = [run for run in scene.runs("success", "failed") if datetime.fromisoformat(run["run_after"]) > feed.started_at]
    runs = (running or ended) if event.variant < 0.5 else (ended or running)
    if not runs:
        return Hit("cleared nothing: no run", None)
    run = runs[int(event.variant * 1000) % len(runs)]
    body = {
        "dry_run": False, "only_failed": False, "dag_run_id": run["dag_run_id"],
        "task_ids": [event.task], "include_downstream": True,
    }  # fmt: skip
    try:
        scene.airflow("POST", f"/dags/{DAG_ID}/clearTaskInstances", json=body)
    except httpx.HTTPStatusError as error:
        return Hit(f"cleared nothing: Airflow answered {error.response.status_code}", None)
    return Hit(f"cleared {event.task} and what follows, of a run that is {run['state']}", None)


def _compete(feed: ChaosFeed, event: Event) -> Hit:
    """Trigger a run of the same feed, half of them with a range that reaches beyond what has landed."""
    if event.variant < 0.5:
        feed.start()
        return Hit("triggered another run", None)
    first, last = feed.applied + 1, feed.landed + 1 + int(event.variant * 10) % 3
    feed.start(first_chunk=first, last_chunk=last)
    return Hit(f"triggered a run for chunks {first} to {last}", None)
