"""A short chaos: one round of one feed with every kind of kill but two, after which the feed takes a minute longer."""

from __future__ import annotations

import psycopg
import pytest

from local.chaos.__main__ import Chaos, run_chaos
from local.chaos.feed import SETTINGS
from local.chaos.invariants import violations
from local.chaos.outcome import differences, open_container, read_outcome
from local.chaos.plan import KILLS, Kind, make_plan
from local.chaos.scene import Scene
from local.chaos.table import summary
from local.config import Addresses
from local.stack import Stack
from tests import reference

SEED = 1
SHORT = tuple(kind for kind in KILLS if kind not in (Kind.WORKER, Kind.SPARK))


@pytest.fixture(scope="module")
def chaos(airflow: Stack) -> Chaos:
    return run_chaos(airflow, SEED, make_plan(SEED, 1, SHORT, len(SHORT)))


def test_nothing_is_lost_or_doubled(chaos: Chaos) -> None:
    assert {done.number: done.problems for done in chaos.rounds if done.problems} == {}, summary(chaos.rounds)


def test_every_kind_of_kill_has_happened(chaos: Chaos) -> None:
    assert set(SHORT) <= {incident.event.kind for done in chaos.rounds for incident in done.incidents}


def test_the_baseline_is_what_the_rules_say(chaos: Chaos) -> None:
    found = [
        (chunk, pattern, action, customer, merchant)
        for _, chunk, pattern, action, customer, merchant in chaos.baseline.detections
    ]
    assert found == [tuple(detection) for detection in reference.detect(*chaos.files, SETTINGS)]
    assert {pattern for _, pattern, *_ in found} == {"PatId1", "PatId2", "PatId3"}
    state = reference.state(chaos.files[0])
    assert {merchant: tuple(totals) for merchant, *totals in chaos.baseline.merchants} == state.merchants
    assert {(merchant, customer): tuple(totals) for merchant, customer, *totals in chaos.baseline.pairs} == state.pairs
    assert [row for _, _, _, *rows in chaos.baseline.files for row in rows] == [row[1:] for row in found]
    assert chaos.baseline.reject_blobs


def test_damage_is_seen(chaos: Chaos, airflow: Stack) -> None:
    """Do to a feed that is done what a lost or repeated effect would have done to it."""
    feed, addresses = chaos.rounds[-1].feed, airflow.addresses
    scene = Scene(airflow, say=print)
    assert violations(scene, feed) == []
    damage(addresses, feed)
    assert differences(chaos.baseline, read_outcome(addresses, feed)) != []
    text = "\n".join(violations(scene, feed))
    for part in ("staged_chunk", "reserved and not confirmed", "chunk-000002.csv is not the one", "chunk-000099.csv is not in"):
        assert part in text
    for part in ("chunk 3 was applied by batch None", "detections-000001.csv is missing"):
        assert part in text
    scene.close()


def damage(addresses: Addresses, feed: str) -> None:
    of_feed = "feed_id = (select feed_id from ledger.feed where feed = %s)"
    with psycopg.connect(addresses.ledger_dsn) as connection, open_container(addresses) as container:
        connection.execute("insert into ledger.staged_chunk values (0, 'left', 1, 1)")
        connection.execute(f"update ledger.detection_file set uploaded_at = null where {of_feed} and file_number = 2", [feed])
        connection.execute(f"update ledger.chunk set batch_id = null where {of_feed} and chunk = 3", [feed])
        container.upload_blob(f"chunks/{feed}/chunk-000002.csv", b"other", overwrite=True)
        container.upload_blob(f"chunks/{feed}/chunk-000099.csv", b"unknown")
        container.delete_blob(f"detections/{feed}/detections-000001.csv")
