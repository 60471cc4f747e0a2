"""A rebuild, against the reference: with the same rules nothing changes, with others what is in files stays as it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from feeds.batches import take_batch
from feeds.blobs import Blobs
from feeds.detection import open_batch
from feeds.drive import DriveHook
from feeds.errors import BatchError, DriveAccessError, FeedSettingsError, SourceChangedError
from feeds.landing import land
from feeds.rebuild import open_rebuild
from local.config import Addresses
from tests import reference
from tests.conftest import RULES as SMALL_RULES
from tests.conftest import FeedFiles, Found, expected
from tests.integration.pipeline import Pipeline, commit
from tests.integration.test_due_feed import due
from tests.reference import Detection, Evidence

MakeFeed = Callable[..., FeedFiles]
Small = tuple[Path, Path]

RULES = SMALL_RULES | {"detections_per_file": 8}  # so that some detections still wait for a file
OTHER: dict[str, Any] = {"child_min_transactions": 4, "child_max_average": 35, "upgrade_percent": 20, "dei_min_female": 5}
"""Rules under which some detections are added, some are gone, and some come at another chunk."""


@pytest.fixture
def pipeline(spark_services: Addresses, connection: psycopg.Connection[Any], drive: DriveHook, blobs: Blobs) -> Pipeline:
    return Pipeline(spark_services, connection, drive, blobs)


@pytest.fixture
def feed(make_feed: MakeFeed, small: Small) -> FeedFiles:
    return make_feed("rebuilt", small[0].read_bytes(), small[1].read_bytes())


def until(last: int, found: list[Found]) -> list[Found]:
    return [row for row in found if row[0] <= last]


def evidence(small: Small, rules: dict[str, Any], last: int = 99) -> dict[Detection, Evidence]:
    """Give what the reference finds up to a chunk, with its evidence."""
    return {d: numbers for d, numbers in reference.detect_with_evidence(*small, rules).items() if d.chunk <= last}


def in_order(found: list[Found]) -> list[Found]:
    return sorted(found, key=lambda row: (row[0], row[1], row[4], row[3]))


def files(pipeline: Pipeline) -> dict[str, bytes]:
    names = pipeline.connection.execute("select blob_name from ledger.detection_file order by file_number").fetchall()
    return {name: pipeline.blobs.read(name) for (name,) in names}


def changes(pipeline: Pipeline) -> dict[tuple[str, str, str], tuple[str, int | None, int | None]]:
    rows = pipeline.connection.execute(
        "select pattern_id, customer, merchant, change, chunk_before, chunk_after from ledger.rebuild_change"
    ).fetchall()
    return {row[:3]: row[3:] for row in rows}


def compared(before: list[Found], after: list[Found]) -> dict[tuple[str, str, str], tuple[str, int | None, int | None]]:
    """Say what differs, worked out in Python."""
    old, new = ({(row[1], row[3], row[4]): row[0] for row in found} for found in (before, after))
    kinds = {key: "added" if key not in old else "gone" if key not in new else "moved" for key in old | new}
    return {key: (kind, old.get(key), new.get(key)) for key, kind in kinds.items() if old.get(key) != new.get(key)}


def test_with_the_same_rules_nothing_changes(pipeline: Pipeline, feed: FeedFiles) -> None:
    for last in (2, 5):
        pipeline.run(feed, last=last, **RULES)
    state, detections, written = pipeline.state("rebuilt"), pipeline.detections("rebuilt"), files(pipeline)
    assert pipeline.rebuild("rebuilt") == ("Rebuilt chunks 1 to 5 of feed rebuilt with the same rules: 0 added, 0 gone, 0 moved")
    assert pipeline.state("rebuilt") == state
    assert pipeline.detections("rebuilt") == detections
    assert files(pipeline) == written
    assert pipeline.connection.execute("select count(*) from ledger.staged_pair").fetchone() == (0,)


def test_with_other_rules(pipeline: Pipeline, feed: FeedFiles, small: Small) -> None:
    pipeline.run(feed, last=4, **RULES)
    before, after = (until(4, expected(*small, rules)) for rules in (RULES, RULES | OTHER))
    assert {kind for kind, _, _ in compared(before, after).values()} == {"added", "gone", "moved"}
    assert pipeline.detections("rebuilt") == before
    written = files(pipeline)
    exported = sum(map(len, pipeline.exported("rebuilt")))
    assert 0 < exported < len(before)

    shown = pipeline.rebuild("rebuilt", **OTHER)

    assert changes(pipeline) == compared(before, after)
    assert f"{sum(kind == 'moved' for kind, _, _ in compared(before, after).values())} moved" in shown
    assert in_order(pipeline.detections("rebuilt")) == after
    assert pipeline.evidence("rebuilt") == evidence(small, RULES | OTHER, last=4), "also of what is in files, and where it was"
    now = files(pipeline)
    assert {name: now[name] for name in written} == written, "what was exported stays as it is"
    waiting = pipeline.detections("rebuilt")
    rows = [row for file in pipeline.exported("rebuilt") for row in file]
    assert len(rows) == len(set(rows)), "nothing is exported twice"
    ordinals = pipeline.connection.execute("select ordinal from ledger.detection order by 1").fetchall()
    assert ordinals == [(n,) for n in range(1, len(ordinals) + 1)]
    in_files = {row[1:] for row in before[:exported]}
    assert [row for row in waiting if row[1:] not in in_files] == [row for row in after if row[1:] not in in_files]

    pipeline.run(feed)  # the feed goes on by the new rules
    assert in_order(pipeline.detections("rebuilt")) == expected(*small, RULES | OTHER)
    assert pipeline.evidence("rebuilt") == evidence(small, RULES | OTHER), "also of what is found again that was withdrawn"
    rows = [row for file in pipeline.exported("rebuilt") for row in file]
    assert {row[1:] for row in expected(*small, RULES | OTHER)} <= set(rows)
    assert len(rows) == len(set(rows))


def test_back_again_withdraws_nothing_that_holds(pipeline: Pipeline, feed: FeedFiles, small: Small) -> None:
    pipeline.run(feed, last=4, **RULES)
    pipeline.rebuild("rebuilt", **OTHER)
    pipeline.rebuild("rebuilt", **{name: {**reference.DEFAULTS, **RULES}[name] for name in OTHER})
    assert in_order(pipeline.detections("rebuilt")) == until(4, expected(*small, RULES))
    pipeline.run(feed)
    assert in_order(pipeline.detections("rebuilt")) == expected(*small, RULES)


def test_another_weight_scope(pipeline: Pipeline, feed: FeedFiles, small: Small) -> None:
    pipeline.run(feed, **RULES)
    pipeline.rebuild("rebuilt", weight_scope="customer")
    assert in_order(pipeline.detections("rebuilt")) == expected(*small, RULES | {"weight_scope": "customer"})
    assert {merchant for merchant, *_ in pipeline.state("rebuilt")["weight"]} == {""}


def test_an_interrupted_rebuild_leaves_the_old_state_and_is_carried_on(pipeline: Pipeline, feed: FeedFiles, small: Small) -> None:
    pipeline.run(feed, last=4, **RULES)
    state, detections = pipeline.state("rebuilt"), pipeline.detections("rebuilt")
    batch = open_rebuild(pipeline.ledger, "rebuilt", OTHER)
    pipeline.detect(batch["batch_id"])  # and killed before the commit
    assert pipeline.state("rebuilt") == state
    assert pipeline.detections("rebuilt") == detections
    assert open_rebuild(pipeline.ledger, "rebuilt", OTHER)["batch_id"] == batch["batch_id"]
    assert due(pipeline.ledger) == "rebuilt"
    found = open_batch(pipeline.ledger, "rebuilt", None, None)  # of a run that nobody triggered
    assert found is not None
    assert found["batch_id"] == batch["batch_id"]
    for _ in range(2):  # the task is run again after its commit
        commit(batch["batch_id"])
    assert in_order(pipeline.detections("rebuilt")) == until(4, expected(*small, RULES | OTHER))
    assert pipeline.state("rebuilt") == state


def test_a_batch_that_is_open_is_given_up_and_applied_afterwards(pipeline: Pipeline, feed: FeedFiles, small: Small) -> None:
    pipeline.run(feed, last=2, **RULES)
    land(pipeline.ledger, pipeline.drive, pipeline.blobs, feed.request(last=4, **RULES))
    open_ = open_batch(pipeline.ledger, "rebuilt", None, None)
    assert open_ is not None
    pipeline.rebuild("rebuilt", **OTHER)
    with pytest.raises(psycopg.errors.RaiseException, match="is not to be applied: it was given up"):
        commit(open_["batch_id"])
    pipeline.connection.execute("update ledger.feed set followed = false")
    assert due(pipeline.ledger) == "rebuilt", "its chunks are applied afterwards"
    pipeline.run(feed)
    assert in_order(pipeline.detections("rebuilt")) == expected(*small, RULES | OTHER)


def test_one_feed_is_rebuilt_while_another_runs(pipeline: Pipeline, make_feed: MakeFeed, feed: FeedFiles, small: Small) -> None:
    other = make_feed("runs", small[0].read_bytes(), small[1].read_bytes())
    pipeline.run(feed, last=4, **RULES)
    pipeline.run(other, last=2, **RULES)
    batch = open_rebuild(pipeline.ledger, "rebuilt", OTHER)
    pipeline.run(other, last=4)
    pipeline.detect(batch["batch_id"])
    pipeline.run(other)
    commit(batch["batch_id"])
    assert pipeline.detections("runs") == expected(*small, RULES)
    assert in_order(pipeline.detections("rebuilt")) == until(4, expected(*small, RULES | OTHER))


def test_a_rebuild_needs_no_source_and_repairs_blobs_while_there_is_one(pipeline: Pipeline, feed: FeedFiles) -> None:
    request = replace(feed.request(), rebuild=True)
    pipeline.run(feed, **RULES)
    batch = open_rebuild(pipeline.ledger, "rebuilt", {})
    names = ["chunks/rebuilt/chunk-000002.csv", "importance/rebuilt/CustomerImportance-000001.csv"]
    before = [pipeline.blobs.read(name) for name in names]
    for name in names:
        pipeline.blobs.write(name, b"altered")
    land(pipeline.ledger, pipeline.drive, pipeline.blobs, request)
    assert [pipeline.blobs.read(name) for name in names] == before
    feed.transactions.unlink()
    assert land(pipeline.ledger, pipeline.drive, pipeline.blobs, request)["new_chunks"] == 0
    scheduled = land(pipeline.ledger, pipeline.drive, pipeline.blobs, feed.request())
    assert scheduled["new_chunks"] == 0, "the batch is open"
    assert (take_batch(pipeline.ledger, pipeline.blobs, feed.request()) or {})["batch_id"] == batch["batch_id"], "and is taken up"
    pipeline.ledger.run("close_batch", batch_id=batch["batch_id"], reason="test")
    with pytest.raises(DriveAccessError):
        land(pipeline.ledger, pipeline.drive, pipeline.blobs, feed.request())


def test_importance_is_repaired_from_a_copy_of_its_bytes_and_from_no_others(pipeline: Pipeline, feed: FeedFiles) -> None:
    request = replace(feed.request(), rebuild=True)
    pipeline.run(feed, **RULES)
    open_rebuild(pipeline.ledger, "rebuilt", {})
    name = "importance/rebuilt/CustomerImportance-000001.csv"
    before = pipeline.blobs.read(name)
    importance = feed.folder / "CustomerImportance.csv"
    content = importance.read_bytes()
    pipeline.blobs.write(name, b"altered")
    for other in (content.replace(b"1", b"2", 1), content + b"'C1','M1',1,'es_food',0\n", content[: len(content) // 2]):
        importance.write_bytes(other)
        with pytest.raises(SourceChangedError, match="no longer has the bytes that landed"):
            land(pipeline.ledger, pipeline.drive, pipeline.blobs, request)
        assert pipeline.blobs.read(name) == b"altered"
    importance.write_bytes(content)  # a new revision all the same
    land(pipeline.ledger, pipeline.drive, pipeline.blobs, request)
    assert pipeline.blobs.read(name) == before


def test_what_cannot_be_rebuilt_is_refused(pipeline: Pipeline, feed: FeedFiles) -> None:
    with pytest.raises(BatchError, match="feed rebuilt is not in the ledger"):
        open_rebuild(pipeline.ledger, "rebuilt", {})
    land(pipeline.ledger, pipeline.drive, pipeline.blobs, feed.request(last=1, **RULES))
    with pytest.raises(FeedSettingsError, match="no applied chunk: there is nothing to rebuild"):
        open_rebuild(pipeline.ledger, "rebuilt", {})
    with pytest.raises(FeedSettingsError, match="upgrade_percent is 101"):
        open_rebuild(pipeline.ledger, "rebuilt", {"upgrade_percent": 101})
