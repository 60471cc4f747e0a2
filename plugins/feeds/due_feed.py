"""Which feed has work due, and what starts a run for it that nobody triggers: a trigger of Airflow's that watches the ledger.

It belongs to the asset ``feeds.assets.WORK``, on which the DAG is scheduled: nothing runs while nothing is due. Crash windows: an
event that is lost, because triggerer or database ended in between, is published again, for the work stays due. One that is
published twice starts a run that finds nothing due, and skips its tasks.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.triggers.base import BaseEventTrigger, TriggerEvent
from asgiref.sync import sync_to_async

from feeds.ledger import CONN_ID, Ledger, Row, statement

if TYPE_CHECKING:
    from airflow.sdk import Connection

FEED = "feed"
"""XCom of ``land_chunks``: the feed that the run is about. It is there also when the task fails."""

DUE_AT = "due_at"
"""XCom of ``land_chunks`` in a run that nobody triggered: the Unix time since which its feed's work has waited."""

RECHECK_SECONDS = 600
"""How often the end of a source is looked at for new rows."""

LOOK_SECONDS = 5
"""How often the ledger is asked, besides at the moment when it has said that something comes due."""

AT_WORK_SECONDS = 1
"""How soon it is asked again while something is due that a run at work may be about to take."""

STARTS_SECONDS = 10
"""How long an event has to become a run, before another is published for what is still due."""

AWAY_SECONDS = 5
"""How long a ledger is left alone that does not answer."""

LACKS_SECONDS = 60
"""How often is looked whether what is lacking is there by now: the connection, or the schema of this version."""


def due_now(ledger: Ledger) -> Row | None:
    """Give the feed that has been due longest, as a row of ``select_due_feed.sql``; ``None`` when nothing is due."""
    row = ledger.row("select_due_feed", recheck_seconds=RECHECK_SECONDS)
    return row if row is not None and row["wait_seconds"] == 0 else None


class DueFeedTrigger(BaseEventTrigger):
    """Publish an event when a feed has work due and no run of the DAG is there that would take it.

    Parameters
    ----------
    dag_id
        The DAG.
    """

    def __init__(self, dag_id: str) -> None:
        super().__init__()
        self.dag_id = dag_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Give what the triggerer needs to make it again."""
        return "feeds.due_feed.DueFeedTrigger", {"dag_id": self.dag_id}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield an event with the feed that has been due longest, each time that there is one; never end."""
        import psycopg

        while True:
            # A connection of its own each time: the database may have been away in between.
            try:
                connection = _conninfo(await BaseHook.aget_connection(CONN_ID))
                async with await psycopg.AsyncConnection.connect(**connection, autocommit=True) as ledger:
                    while True:
                        feed, wait = await _next_feed(ledger)
                        if wait > 0:
                            await asyncio.sleep(min(wait, LOOK_SECONDS))
                        elif await self._is_at_work():
                            await asyncio.sleep(AT_WORK_SECONDS)
                        else:
                            yield TriggerEvent({"feed": feed})
                            await asyncio.sleep(STARTS_SECONDS)
            except AirflowNotFoundException:
                self.log.warning("Airflow has no connection %s: no run starts by itself", CONN_ID)
                await asyncio.sleep(LACKS_SECONDS)
            except psycopg.ProgrammingError as error:
                self.log.warning("The ledger cannot answer this version (%s): starting a run, which applies the schema", error)
                if not await self._is_at_work():
                    yield TriggerEvent({"feed": None})
                await asyncio.sleep(LACKS_SECONDS)
            except psycopg.OperationalError as error:
                self.log.warning("The ledger (connection %s) does not answer: %s; trying again", CONN_ID, error)
                await asyncio.sleep(AWAY_SECONDS)

    async def _is_at_work(self) -> bool:
        from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

        count = await sync_to_async(RuntimeTaskInstance.get_dr_count)(dag_id=self.dag_id, states=["queued", "running"])
        return count > 0


async def _next_feed(ledger: Any) -> tuple[str | None, float]:
    """Give the feed that is or comes due next, and in how many seconds."""
    cursor = await ledger.execute(statement("select_due_feed"), {"recheck_seconds": RECHECK_SECONDS})
    row = await cursor.fetchone()
    return (None, math.inf) if row is None else (str(row[0]), float(row[1]))


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
