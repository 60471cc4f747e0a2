"""Which feed a run without a name takes, and when: the statement behind the first task, and the trigger that asks it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from feeds import due_feed
from feeds.blobs import Blobs
from feeds.drive import DriveHook
from feeds.due_feed import DueFeedTrigger
from feeds.export import rows_due
from feeds.landing import land
from feeds.ledger import Ledger, Row
from feeds.opening import select_feed
from local.config import Addresses
from tests.conftest import FeedFiles, drop_ledger
from tests.integration.test_commit_and_export import applied
from tests.integration.test_landing import HEADER, rows

Connection = psycopg.Connection[Any]


@pytest.fixture
def paced(connection: Connection, ledger: Ledger, drive: DriveHook, blobs: Blobs, make_feed: Callable[..., FeedFiles]) -> str:
    """Give a followed feed of three chunks, an hour apart, of which the first has landed and is applied."""
    feed = make_feed("paced", HEADER + rows(250))
    land(ledger, drive, blobs, feed.request(chunk_size=100, interval_seconds=3600))
    applied(connection, ledger, "paced", 1, detections=0)
    return "paced"


def wait(ledger: Ledger) -> tuple[str, int] | None:
    """Give the feed that comes due next, and in how many seconds."""
    row = ledger.row("select_due_feed", recheck_seconds=600)
    return None if row is None else (row["feed"], round(row["wait_seconds"]))


def due(ledger: Ledger) -> str | None:
    row = due_feed.due_now(ledger)
    return None if row is None else str(row["feed"])


def waiting(ledger: Ledger, feed: str) -> Row:
    """Give the detections of a feed that no file holds yet."""
    found = ledger.row("select_waiting", feed_id=select_feed(ledger, feed)["feed_id"])
    assert found is not None
    return found


def test_nothing_is_due_before_the_next_chunk(ledger: Ledger, paced: str) -> None:
    assert due(ledger) is None


def test_the_next_chunk(connection: Connection, ledger: Ledger, paced: str) -> None:
    connection.execute("update ledger.feed set started_at = started_at - interval '1 hour'")
    assert due(ledger) == paced


def test_a_landed_chunk_that_is_not_applied(connection: Connection, ledger: Ledger, paced: str) -> None:
    connection.execute("update ledger.batch set applied_at = null")
    assert due(ledger) == paced


def test_a_detection_that_lingers(connection: Connection, ledger: Ledger, paced: str) -> None:
    insert = "insert into ledger.detection select feed_id, 'PatId2', 'M1', 'C1', 'CHILD', 1, 1, batch_id, now() - %s::interval"
    connection.execute(f"{insert} from ledger.batch", ["59 seconds"])
    assert due(ledger) is None
    connection.execute("update ledger.detection set detected_at = now() - interval '61 seconds'")
    assert due(ledger) == paced


@pytest.mark.parametrize("why", ["full", "exhausted"])
def test_a_file_that_need_not_linger(connection: Connection, ledger: Ledger, paced: str, why: str) -> None:
    insert = "insert into ledger.detection select feed_id, 'PatId2', 'M1', 'C' || n, 'CHILD', 1, n, batch_id, now() "
    connection.execute(f"{insert} from ledger.batch, generate_series(1, %s) n", [50 if why == "full" else 49])
    if why == "exhausted":
        assert due(ledger) is None
        connection.execute("update ledger.feed set exhausted_size = source_size")
    assert due(ledger) == paced
    assert rows_due(waiting(ledger, paced), flush=False) == (50 if why == "full" else 49)


def test_a_reserved_file_that_is_not_confirmed(connection: Connection, ledger: Ledger, paced: str) -> None:
    connection.execute("insert into ledger.detection_file select feed_id, 1, 1, 1, 'detections/x' from ledger.feed")
    assert due(ledger) == paced


def test_the_end_of_the_source_is_looked_at_again(connection: Connection, ledger: Ledger, paced: str) -> None:
    connection.execute("update ledger.feed set exhausted_size = source_size")
    assert due(ledger) is None
    connection.execute("update ledger.feed set checked_at = now() - interval '601 seconds'")
    assert due(ledger) == paced


def test_when_the_next_chunk_comes_due_is_known_before(connection: Connection, ledger: Ledger, paced: str) -> None:
    connection.execute("update ledger.feed set started_at = now() - interval '1 hour' + interval '9 seconds'")
    found = wait(ledger)
    assert found is not None
    assert found[0] == paced
    assert 0 < found[1] <= 9
    connection.execute("update ledger.feed set hold_until = now() + interval '2 hours'")
    held = wait(ledger)
    assert held is not None
    assert held[1] > 7_000


def test_since_when_work_waits_is_known(connection: Connection, ledger: Ledger, paced: str) -> None:
    with connection.transaction():  # which has one moment for all that is asked in it
        connection.execute("update ledger.feed set started_at = now() - interval '1 hour' - interval '90 seconds'")
        row = ledger.row("select_due_feed", recheck_seconds=600)
    assert row is not None
    assert row["late_seconds"] == 90
    connection.execute("update ledger.feed set started_at = now()")
    row = ledger.row("select_due_feed", recheck_seconds=600)
    assert row is not None
    assert row["late_seconds"] == 0


def test_of_many_feeds_at_their_end_one_is_looked_at_at_a_time(
    connection: Connection, ledger: Ledger, drive: DriveHook, blobs: Blobs, make_feed: Callable[..., FeedFiles]
) -> None:
    for name in ("a", "b", "c"):
        land(ledger, drive, blobs, make_feed(name, HEADER + rows(50)).request(chunk_size=100, interval_seconds=0))
        applied(connection, ledger, name, 1, detections=0)
    connection.execute("update ledger.feed set checked_at = now() - interval '700 seconds'")
    assert due(ledger) == "a"
    with connection.transaction():
        connection.execute("update ledger.feed set checked_at = now() where feed = 'a'")
        assert wait(ledger) == ("b", 300), "two runs in ten minutes, however many feeds"
    connection.execute("update ledger.feed set checked_at = now() - interval '301 seconds' where feed = 'a'")
    assert due(ledger) == "b"
    connection.execute("update ledger.feed set source_size = source_size + 1 where feed = 'c'")
    assert due(ledger) == "c", "work comes before a look"
    for ago, first in (("1190 seconds", "c"), ("1210 seconds", "a")):
        connection.execute("update ledger.feed set checked_at = now() - %s::interval where feed <> 'c'", [ago])
        assert due(ledger) == first, "but a look that work has put off for ten minutes has its turn"


def test_a_rest_of_a_feed_that_nobody_follows_is_written_too(connection: Connection, ledger: Ledger, paced: str) -> None:
    connection.execute("update ledger.feed set followed = false")
    assert wait(ledger) is None
    insert = "insert into ledger.detection select feed_id, 'PatId2', 'M1', 'C1', 'CHILD', 1, 1, batch_id, now()"
    connection.execute(f"{insert} from ledger.batch")
    assert (wait(ledger) or ("", 0))[0] == paced
    connection.execute("update ledger.detection set detected_at = now() - interval '61 seconds'")
    assert due(ledger) == paced
    connection.execute("update ledger.feed set failures = 5")
    assert due(ledger) is None


def test_after_a_rebuild_the_oldest_detection_counts_not_the_first(connection: Connection, ledger: Ledger, paced: str) -> None:
    insert = "insert into ledger.detection select feed_id, 'PatId2', 'M1', %s, 'CHILD', %s, %s, batch_id, now() - %s::interval"
    connection.execute(f"{insert} from ledger.batch", ["C1", 1, 1, "0 seconds"])
    connection.execute(f"{insert} from ledger.batch", ["C2", 3, 2, "61 seconds"])
    assert due(ledger) == paced
    assert rows_due(waiting(ledger, paced), flush=False) == 2


def test_work_is_late_since_it_came_due_not_since_its_feed_was_on_hold(
    connection: Connection, ledger: Ledger, paced: str
) -> None:
    connection.execute("update ledger.feed set started_at = now() - interval '2 hours', hold_until = now() - interval '1 second'")
    row = due_feed.due_now(ledger)
    assert row is not None
    assert row["late_seconds"] >= 3600


def test_a_feed_that_nobody_follows(connection: Connection, ledger: Ledger, paced: str) -> None:
    connection.execute("update ledger.feed set started_at = started_at - interval '1 hour', followed = false")
    assert due(ledger) is None


def test_a_failed_feed_is_left_alone_for_a_while(connection: Connection, ledger: Ledger, paced: str) -> None:
    connection.execute("update ledger.feed set started_at = started_at - interval '1 hour'")
    for seconds in (10, 20, 40):
        ledger.run("record_failure", feed=paced)
        held = connection.execute("select extract(epoch from hold_until - now()) from ledger.feed").fetchone()
        assert held is not None
        assert seconds - 5 < held[0] <= seconds
    assert due(ledger) is None
    ledger.run("record_success", feed=paced)
    assert due(ledger) == paced


class Watched(DueFeedTrigger):
    """The trigger, with its delays cut short and what Airflow would say of its runs written down."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *at_work: bool) -> None:
        super().__init__("transaction_patterns")
        self.at_work = list(at_work)
        self.slept: list[float] = []
        monkeypatch.setattr(asyncio, "sleep", self._sleep)

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if len(self.slept) > 20:
            raise AssertionError(f"it publishes nothing: {self.slept}")

    async def _is_at_work(self) -> bool:
        return self.at_work.pop(0) if self.at_work else False

    def published(self, count: int) -> list[Any]:
        """Give the payloads of its first events."""

        async def first() -> list[Any]:
            found: list[Any] = []
            events = self.run()
            async for event in events:
                found.append(event.payload)
                if len(found) == count:
                    break
            await events.aclose()  # type: ignore[attr-defined] # it is an async generator
            return found

        return asyncio.run(first())


def test_the_trigger_publishes_what_is_due_until_somebody_takes_it(
    connection: Connection, paced: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection.execute("update ledger.feed set started_at = started_at - interval '1 hour'")
    trigger = Watched(monkeypatch)
    assert trigger.published(2) == [{"feed": paced}] * 2
    assert trigger.slept == [due_feed.STARTS_SECONDS]


def test_the_trigger_leaves_to_a_run_at_work_what_is_due(
    connection: Connection, paced: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection.execute("update ledger.feed set started_at = started_at - interval '1 hour'")
    trigger = Watched(monkeypatch, True, True, False)
    assert trigger.published(1) == [{"feed": paced}]
    assert trigger.slept == [due_feed.AT_WORK_SECONDS] * 2


def test_the_trigger_waits_for_what_comes_due(connection: Connection, paced: str, monkeypatch: pytest.MonkeyPatch) -> None:
    connection.execute("update ledger.feed set started_at = now() - interval '1 hour' + interval '2 seconds'")
    trigger = Watched(monkeypatch)
    with pytest.raises(AssertionError, match="it publishes nothing"):
        trigger.published(1)
    assert all(0 < seconds <= 2 for seconds in trigger.slept)
    connection.execute("update ledger.feed set started_at = now()")
    trigger = Watched(monkeypatch)
    with pytest.raises(AssertionError, match="it publishes nothing"):
        trigger.published(1)
    assert set(trigger.slept) == {due_feed.LOOK_SECONDS}, "somebody else may change the ledger"


def test_the_trigger_starts_a_run_for_a_ledger_without_its_schema(
    services: Addresses, paced: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop_ledger(services)
    trigger = Watched(monkeypatch)
    assert trigger.published(2) == [{"feed": None}] * 2
    assert trigger.slept == [due_feed.LACKS_SECONDS]


def test_the_trigger_outlives_a_ledger_that_is_away(connection: Connection, paced: str, monkeypatch: pytest.MonkeyPatch) -> None:
    connection.execute("update ledger.feed set started_at = started_at - interval '1 hour'")
    trigger = Watched(monkeypatch)
    connect = psycopg.AsyncConnection.connect
    answers = iter([psycopg.OperationalError("is away"), psycopg.OperationalError("is away")])

    async def refused(*args: Any, **values: Any) -> Any:
        if error := next(answers, None):
            raise error
        return await connect(*args, **values)

    monkeypatch.setattr(psycopg.AsyncConnection, "connect", refused)
    assert trigger.published(1) == [{"feed": paced}]
    assert trigger.slept == [due_feed.AWAY_SECONDS] * 2


def test_the_trigger_waits_for_its_connection(paced: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_LEDGER")
    trigger = Watched(monkeypatch)
    with pytest.raises(AssertionError, match="it publishes nothing"):
        trigger.published(1)
    assert set(trigger.slept) == {due_feed.LACKS_SECONDS}
