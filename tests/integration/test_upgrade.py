"""A new version meets the ledger of the version before it, in the middle of a feed: what comes out is what undisturbed runs give.

The feed gets half-way with the present code; then its ledger is made anew by the statements of the version before
(tests/ledger_0_1), with the rows as that version would have written them: what it had no column for is gone. The first task of
the next run meets it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from feeds.schema import ensure_schema
from tests.conftest import FeedFiles, drop_ledger
from tests.integration.crashing import Crash, Effects
from tests.integration.dag_run import DagRun, World
from tests.integration.small_feed import State, request
from tests.integration.snapshot import snapshot

BEFORE = Path(__file__).resolve().parents[1] / "ledger_0_1"
FILES = ("schema", "views", "functions", "grants")
FIRST = ("feed", "batch", "chunk")
"""Tables that others refer to."""

HALF_WAY = {
    "landed": "delete_stale_staging",
    "batch open, no job": "submit the job",
    "job done, its run not known": "keep the run id",
    "committed, not exported": "commit_batch succeeds",
    "file reserved, not written": "write detections/",
}
"""Before which effect the run with the version before was stopped."""


@pytest.fixture
def owner(world: World) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(world.services.ledger_owner_dsn, autocommit=True) as owner:
        yield owner


def columns(owner: psycopg.Connection[Any]) -> dict[str, list[str]]:
    """Give the columns of every table of the ledger."""
    query = (
        "select relname, array_agg(attname::text order by attnum) from pg_class join pg_attribute on attrelid = pg_class.oid "
        "where relnamespace = 'ledger'::regnamespace and relkind = 'r' and attnum > 0 and not attisdropped group by relname"
    )
    return dict(owner.execute(query).fetchall())


def apply_before(owner: psycopg.Connection[Any]) -> None:
    """Do what the first task of the version before did."""
    with owner.transaction():
        for name in FILES:
            owner.execute((BEFORE / f"{name}.sql").read_text())
        owner.execute("insert into ledger.applied_schema (sha256) values ('of the version before')")


def go_back(world: World, owner: psycopg.Connection[Any]) -> None:
    """Make the ledger one of the version before, with as much of every row as that version knows of."""
    rows = {}
    for table, names in columns(owner).items():
        with owner.cursor().copy(f"copy ledger.{table} ({', '.join(names)}) to stdout") as copy:
            copy.set_types(["text"] * len(names))
            rows[table] = [dict(zip(names, row, strict=True)) for row in copy.rows()]
    drop_ledger(world.services)
    apply_before(owner)
    known = columns(owner)
    for table in sorted(known, key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST)):
        if table == "applied_schema":
            continue
        with owner.cursor().copy(f"copy ledger.{table} ({', '.join(known[table])}) from stdin") as copy:
            for row in rows[table]:
                copy.write_row([row[name] for name in known[table]])
    for table in ("feed", "batch"):
        owner.execute(f"select setval('ledger.{table}_{table}_id_seq', (select max({table}_id) from ledger.{table}))")
    world.connection.close()  # its prepared statements are of the newer tables


def without_facts(state: State) -> State:
    """Leave out the facts, by which nothing is decided, that the version before did not keep."""
    return state | {"batches": [row[:3] for row in state["batches"]], "evidence": None}


@pytest.mark.parametrize("again", ["the task", "a new run"])
@pytest.mark.parametrize("half_way", HALF_WAY)
def test_a_feed_goes_on_under_the_new_version(
    world: World, files: FeedFiles, calm: State, feed: str, owner: psycopg.Connection[Any], half_way: str, again: str
) -> None:
    run = DagRun(world, request(files, feed))
    with pytest.raises(Crash):
        run.go_on(Effects(before=HALF_WAY[half_way]))
    go_back(world, owner)
    ensure_schema(world.ledger)
    (run if again == "the task" else DagRun(world, run.request)).go_on()
    found = snapshot(world.connection, world.blobs, feed)
    assert without_facts(found) == without_facts(calm)
    by_new_job = half_way in ("landed", "batch open, no job")
    assert found["evidence"] == (calm["evidence"] if by_new_job else [[ordinal, None] for ordinal, _ in calm["evidence"]])


def test_the_version_before_has_another_schema(owner: psycopg.Connection[Any], world: World) -> None:
    now = columns(owner)
    go_back(world, owner)
    assert columns(owner) != now, "the fixture is of this version: replace it by the one before"
    ensure_schema(world.ledger)
    assert columns(owner) == now


def test_going_back_and_forward_again_loses_nothing(
    world: World, files: FeedFiles, feed: str, owner: psycopg.Connection[Any]
) -> None:
    """The version before applies its own text over the newer one: tables keep their rows, views and functions become its own."""
    world.run(request(files, feed))
    before = snapshot(world.connection, world.blobs, feed)
    apply_before(owner)
    world.connection.close()
    ensure_schema(world.ledger)
    assert snapshot(world.connection, world.blobs, feed) == before
