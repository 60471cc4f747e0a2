"""Windows in which something else happens than the end of the run: the file on Drive changes, or another run goes through.

As in test_crash_windows.py, what comes of it is compared with what undisturbed runs give.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from random import Random

import pytest

from feeds.errors import SourceChangedError
from feeds.landing import land
from feeds.source import SourceMovedError
from tests import random_feeds
from tests.conftest import FeedFiles
from tests.integration.crashing import Crash, Effects
from tests.integration.dag_run import DagRun, World
from tests.integration.small_feed import IMPORTANCE, TRANSACTIONS, State, request
from tests.integration.snapshot import GROUPING, snapshot, stored_blobs

GROWN = TRANSACTIONS + random_feeds.transactions(Random(8), 50)
OTHER = TRANSACTIONS.replace(b"'M0'", b"'M9'", 1)

SHORTER = b"".join(TRANSACTIONS.splitlines(keepends=True)[:50])


@pytest.fixture(autouse=True)
def _same_files(files: FeedFiles) -> Iterator[None]:
    yield
    files.transactions.write_bytes(TRANSACTIONS)
    (files.folder / "CustomerImportance.csv").write_bytes(IMPORTANCE)


def run_while(world: World, files: FeedFiles, feed: str, effects: Effects) -> DagRun:
    """Run a feed; landing fails, because the file is another one now."""
    run = DagRun(world, request(files, feed))
    with pytest.raises(SourceMovedError, match="was replaced on Drive while it was read"):
        run.go_on(effects)
    return run


def came_to(world: World, feed: str, *without: str) -> State:
    return {name: part for name, part in snapshot(world.connection, world.blobs, feed).items() if name not in without}


@pytest.mark.parametrize("new", [GROWN, OTHER, SHORTER], ids=["grown", "another", "shorter"])
@pytest.mark.parametrize("time", [1, 2], ids=["before the feed is created", "before the first chunk"])
def test_a_file_that_is_replaced_between_its_revision_and_a_range(
    world: World, files: FeedFiles, feed: str, new: bytes, time: int
) -> None:
    effects = Effects(before="read a range of tr", time=time, what=lambda _: void(files.transactions.write_bytes(new)))
    run = run_while(world, files, feed, effects)
    assert [name for name in stored_blobs(world.blobs, feed) if not name.startswith("importance/")] == []
    run.go_on()
    world.run(request(files, f"{feed}-calm"))
    assert came_to(world, feed) == came_to(world, f"{feed}-calm")


def test_a_file_that_is_replaced_before_a_later_chunk_is_read(world: World, files: FeedFiles, feed: str, calm: State) -> None:
    world.run(replace(request(files, feed), last_chunk=1))
    before = snapshot(world.connection, world.blobs, feed)
    effects = Effects(before="read a range of tr", what=lambda _: void(files.transactions.write_bytes(OTHER)))
    run = run_while(world, files, feed, effects)
    with pytest.raises(SourceChangedError, match=r"chunk 1 .* had SHA-256"):
        run.go_on()
    assert came_to(world, feed, "feed") == {name: part for name, part in before.items() if name != "feed"}
    files.transactions.write_bytes(TRANSACTIONS)
    run.go_on()
    assert came_to(world, feed, *GROUPING) == {name: part for name, part in calm.items() if name not in GROUPING}


def test_a_file_that_grows_between_a_blob_and_its_ledger_row(world: World, files: FeedFiles, feed: str) -> None:
    run = DagRun(world, request(files, feed))
    with pytest.raises(Crash):
        run.go_on(Effects(before="insert_chunk", time=2))  # the blob of the short last chunk is there
    files.transactions.write_bytes(GROWN)
    run.go_on()
    assert came_to(world, feed) == _grown_after_chunk_1(world, files, f"{feed}-calm")


def test_a_landing_that_is_held_up_while_another_lands_the_grown_file(world: World, files: FeedFiles, feed: str) -> None:
    """What remains when the other's batch is applied as well, is named in feeds.landing."""

    def another_lands(_: str) -> None:
        files.transactions.write_bytes(GROWN)
        land(world.ledger, world.drive, world.blobs, request(files, feed))

    run = DagRun(world, request(files, feed))
    with pytest.raises(SourceChangedError, match="chunk 2 was landed by another run at the same time"):
        run.go_on(Effects(before="write chunks/chunk-000002", what=another_lands))
    run.go_on()
    assert came_to(world, feed) == _grown_after_chunk_1(world, files, f"{feed}-calm")


@pytest.mark.parametrize("time", [1, 2], ids=["before its header", "while it is uploaded"])
def test_an_importance_file_that_is_replaced_while_it_is_read(world: World, files: FeedFiles, feed: str, time: int) -> None:
    importance = files.folder / "CustomerImportance.csv"
    new = random_feeds.importance(Random(9), 30)
    effects = Effects(before="read a range of Cu", time=time, what=lambda _: void(importance.write_bytes(new)))
    run = run_while(world, files, feed, effects)
    assert stored_blobs(world.blobs, feed) == {}
    run.go_on()
    world.run(request(files, f"{feed}-calm"))
    assert came_to(world, feed) == came_to(world, f"{feed}-calm")


def test_another_run_goes_through_before_any_effect(
    world: World, files: FeedFiles, calm: State, subtests: pytest.Subtests
) -> None:
    """A run that was taken for dead goes on when another has done its work. Within a transaction, the other one would wait."""
    number, reached = 0, True
    while reached:
        number += 1
        name = f"held-{number}"
        effects, others = Effects(at={number}, what=lambda _: None), replace(world, _connection=None)
        run = DagRun(world, request(files, name))
        with subtests.test(f"{number}"):
            hold(run, effects, others)
            run.go_on(effects)
            assert snapshot(world.connection, world.blobs, name) == calm
        others.connection.close()
        reached = bool(effects.windows)
    assert number > 40


def _grown_after_chunk_1(world: World, files: FeedFiles, feed: str) -> State:
    files.transactions.write_bytes(TRANSACTIONS)
    land(world.ledger, world.drive, world.blobs, replace(request(files, feed), last_chunk=1))
    files.transactions.write_bytes(GROWN)
    world.run(request(files, feed))
    return snapshot(world.connection, world.blobs, feed)


def hold(run: DagRun, effects: Effects, others: World) -> None:
    """Let another run of the same feed go through before the effect, when it does not have to wait for this one."""

    def go_through(_: str) -> None:
        if not effects.within:
            others.run(run.request)

    effects.what = go_through


def void(_: object) -> None:
    """Drop a result."""
