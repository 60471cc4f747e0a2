"""A feed of two chunks in which everything occurs: all three patterns, rejected rows, more than one detection file."""

from __future__ import annotations

from random import Random
from typing import Any

from feeds.request import FeedRequest
from tests import random_feeds, reference
from tests.conftest import FeedFiles
from tests.integration.dag_run import World
from tests.integration.snapshot import snapshot

State = dict[str, Any]
"""A snapshot."""

RULES = {
    "chunk_size": 40,
    "upgrade_percent": 30,
    "upgrade_min_transactions": 10,
    "child_min_transactions": 3,
    "child_max_average": 30,
    "dei_min_female": 1,
    "detections_per_file": 6,
    "max_reject_percent": 20,
}
TRANSACTIONS = random_feeds.HEADER + random_feeds.transactions(Random(3), 70)
IMPORTANCE = random_feeds.importance(Random(3), 40)


def request(files: FeedFiles, feed: str) -> FeedRequest:
    return FeedRequest(feed, {"interval_seconds": 0} | RULES, folder_id=files.folder_id)


def undisturbed(world: World, files: FeedFiles, feed: str) -> State:
    """Give what a feed of these files comes to when nothing happens to it."""
    world.run(request(files, feed))
    found = snapshot(world.connection, world.blobs, feed)
    assert {pattern for _, _, pattern, *_ in found["detections"]} == {"PatId1", "PatId2", "PatId3"}
    assert [tuple(row[1:]) for row in found["detections"]] == reference.detect(
        files.transactions, files.folder / "CustomerImportance.csv", RULES
    )
    assert len(found["detection_blobs"]) > 1
    assert [name for name in found["blobs"] if name.startswith("rejects/")]
    return found
