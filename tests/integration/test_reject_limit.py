"""More rejected rows than the feed allows: nothing is applied until a run raises the limit; then all of it goes through."""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from typing import Any

import pytest

from feeds.errors import FeedSettingsError, RejectLimitError
from feeds.request import FeedRequest
from tests.conftest import FeedFiles
from tests.integration.dag_run import DagRun, World
from tests.integration.small_feed import State, request
from tests.integration.snapshot import GROUPING, snapshot

ALLOWED = 20
"""What the small feed allows in percent; its first chunk has fewer rejected rows, and more than 1 %."""


@pytest.fixture
def stopped(world: World, files: FeedFiles, feed: str) -> FeedRequest:
    """Give what a run asks for that has failed over rejected rows: the small feed, with a limit of 1 %."""
    asked = request(files, feed)
    asked = replace(asked, settings=asked.settings | {"max_reject_percent": 1})
    assert failing(world, asked).todo[0] == "land_chunks"
    return asked


def failing(world: World, asked: FeedRequest) -> DagRun:
    """Let a run fail over rejected rows."""
    run = DagRun(world, asked)
    with pytest.raises(RejectLimitError):
        run.go_on()
    return run


def came_to(world: World, feed: str) -> State:
    return without_grouping(snapshot(world.connection, world.blobs, feed))


def without_grouping(state: State) -> State:
    return {name: part for name, part in state.items() if name not in GROUPING}


def of_feed(world: World, column: str, feed: str) -> Any:
    row = world.connection.execute(f"select {column} from ledger.feed where feed = %s", [feed]).fetchone()
    assert row is not None
    return row[0]


def test_nothing_is_applied_until_a_run_raises_the_limit(
    world: World, calm: State, feed: str, stopped: FeedRequest, caplog: pytest.LogCaptureFixture
) -> None:
    before = came_to(world, feed)
    assert before["pairs"] == before["detections"] == []
    assert before["chunks"] == calm["chunks"], "all has landed, good rows and rejected ones"
    failing(world, stopped)  # its task is tried again
    failing(world, FeedRequest(feed, {}, scheduled=True))
    assert came_to(world, feed) == before

    with caplog.at_level(logging.INFO):
        world.run(FeedRequest(feed, {"max_reject_percent": ALLOWED}))

    assert f"Feed {feed}: max_reject_percent was 1, and is {ALLOWED} from now on" in caplog.text
    assert came_to(world, feed) == without_grouping(calm)


def test_the_error_says_which_limit_lets_the_chunk_through(world: World, feed: str, stopped: FeedRequest) -> None:
    with pytest.raises(RejectLimitError) as refused:
        world.run(stopped)
    said = re.search(
        rf"feed {feed}, chunk 1: (\d+) of 40 rows are rejected \((.+)\), more than max_reject_percent = 1\. They are listed in "
        rf"rejects/{feed}/chunk-000001\.csv\. .* trigger the DAG with feed = {feed} and max_reject_percent = (\d+) \(and the ",
        str(refused.value),
    )
    assert said is not None
    rejected, reasons, limit = said.groups()
    assert sum(int(reason.rpartition(": ")[2]) for reason in reasons.split(", ")) == int(rejected)
    assert int(limit) - 1 < 100 * int(rejected) / 40 <= int(limit)
    run = world.run(FeedRequest(feed, {"max_reject_percent": int(limit)}, last_chunk=1))
    batch = world.ledger.row("select_batch", batch_id=run.batch_id)
    assert batch is not None
    assert (batch["first_chunk"], batch["last_chunk"]) == (1, 1)
    assert batch["applied_at"] is not None


def test_a_range_goes_on_as_a_range(world: World, files: FeedFiles, feed: str) -> None:
    asked = request(files, feed)
    strict = replace(asked, settings=asked.settings | {"max_reject_percent": 1}, last_chunk=2)
    failing(world, strict)
    world.run(replace(asked, settings={"max_reject_percent": ALLOWED}, last_chunk=2))
    assert not of_feed(world, "followed", feed)


def test_the_limit_can_be_lowered_again(world: World, feed: str, stopped: FeedRequest) -> None:
    world.run(FeedRequest(feed, {"max_reject_percent": ALLOWED}, last_chunk=1))
    world.run(FeedRequest(feed, {"max_reject_percent": 0.5}))
    assert float(of_feed(world, "max_reject_percent", feed)) == 0.5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_reject_percent": ALLOWED, "chunk_size": 50}, "chunk_size is 40, the run asks for 50"),
        ({"max_reject_percent": 101}, "max_reject_percent is 101; it is at least 0 and at most 100"),
    ],
)
def test_a_run_that_is_refused_raises_nothing(
    world: World, feed: str, stopped: FeedRequest, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(FeedSettingsError, match=message):
        world.run(FeedRequest(feed, settings))
    assert of_feed(world, "max_reject_percent", feed) == 1
