"""The head of a run: which feed it works on, and the wait for one to have something due."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook, BaseSensorOperator
from airflow.sdk.exceptions import AirflowSkipException
from airflow.triggers.base import BaseTrigger, TaskSkippedEvent, TriggerEvent
from asgiref.sync import sync_to_async

from feeds.ledger import CONN_ID, open_ledger, statement
from feeds.params import feed_request
from feeds.schema import ensure_schema

if TYPE_CHECKING:
    from airflow.sdk import Connection, Context

RECHECK_SECONDS = 600
"""How often the end of a source is looked at for new rows."""

LOOK_SECONDS = 5
"""How often a waiting run asks the ledger, besides at the moment when it has said that something comes due."""

DUE_AT = "due_at"
"""XCom of a run that nobody triggered: the Unix time since which its feed's work has waited."""

_MADE_WAY = "made way for a run that was triggered"

AWAY_SECONDS = 5
"""How long a waiting run leaves a ledger alone that does not answer."""

POLL_SECONDS = 2.5
"""How often a waiting run asks Airflow whether another run is queued."""


class DueFeedSensor(BaseSensorOperator):
    """Give the feed that the run is about: the one that is asked for, or the followed feed whose work has waited longest.

    While nothing is due it waits in the triggerer, which costs no worker. It gives up, and the run ends as skipped, after
    ``idle_seconds``, and as soon as a run that somebody triggered is queued behind it; its XCom ``skipped_because`` says why.

    Parameters
    ----------
    feed
        Name of the feed; empty: any.
    idle_seconds
        How long to wait.
    """

    template_fields = ("feed",)

    def __init__(self, *, feed: str, idle_seconds: float = 1800, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.feed = feed
        self.idle_seconds = idle_seconds

    def execute(self, context: Context) -> str:
        """Return the feed's name, or wait for one; raises what :func:`feeds.params.request_from` raises."""
        import psycopg

        feed_request(context, self.feed)  # a run that contradicts itself ends here, before it touches anything or waits
        try:
            with open_ledger() as ledger:
                ensure_schema(ledger)
                if self.feed:
                    return self.feed
                due = ledger.row("select_due_feed", recheck_seconds=RECHECK_SECONDS)
        except psycopg.OperationalError as error:
            if self.feed:
                raise
            # Not a failed run, which the next would follow at once: the trigger tries again until the ledger is back.
            self.log.warning("The ledger (connection %s) does not answer: %s; waiting for it", CONN_ID, error)
            due = None
        if due is not None and due["wait_seconds"] == 0:
            return _take(context, str(due["feed"]), time.time() - due["late_seconds"])
        self.log.info("Nothing is due; waiting")
        self.defer(
            trigger=DueFeedTrigger(dag_id=self.dag_id, give_up_at=time.time() + self.idle_seconds),
            timeout=timedelta(seconds=self.idle_seconds + 60),
            method_name="resume",
        )

    def resume(self, context: Context, event: Any) -> str:
        """Return the feed that has come due."""
        if not isinstance(event, dict):  # `airflow dags test` has no triggerer in which the task could have ended
            raise AirflowSkipException("nothing was due")
        return _take(context, str(event["feed"]), event.get("due_at", time.time()))  # a trigger of an older version has none


class DueFeedTrigger(BaseTrigger):
    """Watch the ledger until a followed feed has work due, a run of the DAG is queued, or it is time to give up.

    Parameters
    ----------
    dag_id
        The DAG whose queued runs it makes way for.
    give_up_at
        Unix time, so that a triggerer that starts again keeps to it.
    """

    def __init__(self, dag_id: str, give_up_at: float) -> None:
        super().__init__()
        self.dag_id = dag_id
        self.give_up_at = give_up_at

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Give what the triggerer needs to make it again."""
        return "feeds.work.DueFeedTrigger", {"dag_id": self.dag_id, "give_up_at": self.give_up_at}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event: the feed, or the end of the task as skipped, for which no worker has to start."""
        import psycopg

        connection = _conninfo(await BaseHook.aget_connection(CONN_ID))
        while time.time() < self.give_up_at:
            # A connection of its own each time: the database may have been away in between.
            try:
                async with await psycopg.AsyncConnection.connect(**connection, autocommit=True) as ledger:
                    look_at = 0.0
                    while (now := time.time()) < self.give_up_at:
                        if now >= look_at:
                            feed, wait, late = await _next_feed(ledger)
                            if feed and wait == 0:
                                yield TriggerEvent({"feed": feed, "due_at": time.time() - late})
                                return
                            look_at = now + min(wait, LOOK_SECONDS)
                        if await self._run_is_queued():
                            yield self._skipped(_MADE_WAY)
                            return
                        await asyncio.sleep(max(0, min(POLL_SECONDS, look_at - time.time())))
            except psycopg.OperationalError as error:
                self.log.warning("The ledger (connection %s) does not answer: %s; trying again", CONN_ID, error)
                # A run that somebody triggers says in its log what is wrong; it must not stay queued behind this one.
                if await self._run_is_queued():
                    yield self._skipped(_MADE_WAY)
                    return
                await asyncio.sleep(AWAY_SECONDS)
        yield self._skipped("nothing was due")

    def _skipped(self, reason: str) -> TaskSkippedEvent:
        self.log.info("Skipped: %s", reason)
        return TaskSkippedEvent(xcoms={"skipped_because": reason})

    async def _run_is_queued(self) -> bool:
        from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

        count = await sync_to_async(RuntimeTaskInstance.get_dr_count)(dag_id=self.dag_id, states=["queued"])
        return count > 0


def _take(context: Context, feed: str, due_at: float) -> str:
    """Keep since when the feed's work has waited: what its freshness is measured from (:mod:`feeds.alerts`)."""
    context["ti"].xcom_push(key=DUE_AT, value=due_at)
    return feed


async def _next_feed(ledger: Any) -> tuple[str | None, float, float]:
    """Give the feed that is or comes due next, in how many seconds, and since how many it is due."""
    cursor = await ledger.execute(statement("select_due_feed"), {"recheck_seconds": RECHECK_SECONDS})
    row = await cursor.fetchone()
    return (None, math.inf, 0) if row is None else (str(row[0]), float(row[1]), float(row[2]))


def _conninfo(connection: Connection) -> dict[str, Any]:
    parts = {
        "host": connection.host,
        "port": connection.port,
        "dbname": connection.schema,
        "user": connection.login,
        "password": connection.password,
        **connection.extra_dejson,
    }
    return {name: value for name, value in parts.items() if value is not None}
