"""Row 9: the views of the page on a ledger with 1,000,000 detections and 10,000 chunks, in a database of its own."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import psycopg
from fastapi.testclient import TestClient
from psycopg.conninfo import make_conninfo

from benchmarks import statements
from benchmarks.bench import Bench, say
from benchmarks.results import Result
from feeds.ledger import Ledger
from feeds.schema import apply_schema

_DATABASE = "ledger_pages"
_SIZES = {"chunks": 10_000, "detections": 1_000_000}
_VIEWS = {
    "overview": "/",
    "chunks, the last": "/chunks",
    "chunks, the first": "/chunks?at=1",
    "detections, newest": "/detections",
    "detections, oldest": "/detections?sort=oldest",
    "detections, deep": "/detections?after=500000",
    "detections of a pattern": "/detections?pattern=PatId1",
    "detections of a pattern that has none": "/detections?pattern=PatId3",
    "detections of a merchant": "/detections?merchant=M2500",
    "detections of a customer": "/detections?customer=C1234",
    "detections of some chunks": "/detections?first_chunk=4000&last_chunk=4100",
    "detections by merchant": "/detections?sort=merchant",
    "detections by customer": "/detections?sort=customer",
    "detections of nobody by customer": "/detections?customer=nobody&sort=customer",
    "files": "/files",
    "files, deep": "/files?before=5000",
    "merchants": "/merchants",
    "merchants, deep": "/merchants?offset=2500",
}
"""What is looked at: every view, and those ways to look at detections that take different indexes or none."""


def measure(bench: Bench) -> list[Result]:
    """Time every view some times, in turn: queries, rendering and the HTTP around it, in one process."""
    say(f"row 9: making a ledger of {_SIZES['detections']:,} detections and {_SIZES['chunks']:,} chunks")
    label = f"{_SIZES['detections']:,} detections, {_SIZES['chunks']:,} chunks"
    times: dict[str, list[float]] = {name: [] for name in _VIEWS}
    with _scratch(bench), _visitor() as client:
        for number in range(bench.options.repeats + 1):
            for name, address in _VIEWS.items():
                took = _milliseconds(client, address)
                if number:  # the first fills the caches
                    times[name].append(took)
    results = [Result("9", name, "ms", taken, label) for name, taken in times.items()]
    slowest = [max(each) for each in zip(*times.values(), strict=True)]
    return [Result("9", "slowest view of the page", "ms", slowest, label), *results]


def _milliseconds(client: TestClient, address: str) -> float:
    started = time.perf_counter()
    page = client.get(address).raise_for_status()
    took = 1000 * (time.perf_counter() - started)
    if 'value="pages"' not in page.text:
        raise RuntimeError(f"{address} shows another ledger than the one that was made for it")
    return took


@contextmanager
def _visitor() -> Iterator[TestClient]:
    """Give a client of the page alone, for somebody who may see it."""
    from feed_page.app import page_app

    app = page_app()
    allowed = app.router.dependencies[0].dependency
    assert allowed is not None  # noqa: S101 -- it is what guards the page
    with mock.patch.dict(app.dependency_overrides, {allowed: lambda: None}), TestClient(app) as client:
        yield client


@contextmanager
def _scratch(bench: Bench) -> Iterator[None]:
    """Give a database of its own in the stack's PostgreSQL, which the page reads as ``ledger_reader``; drop it afterwards."""
    port, passwords = bench.config.ports["postgres"], bench.config.passwords

    def conninfo(user: str, database: str) -> str:
        return make_conninfo(host="127.0.0.1", port=port, user=user, password=passwords[user], dbname=database)

    reader = {
        "conn_type": "postgres", "host": "127.0.0.1", "port": port, "schema": _DATABASE,
        "login": "ledger_reader", "password": passwords["ledger_reader"],
    }  # fmt: skip
    with psycopg.connect(conninfo("postgres", "postgres"), autocommit=True) as server:
        server.execute(f"drop database if exists {_DATABASE} with (force)")
        server.execute(f"create database {_DATABASE} owner ledger_owner")
        try:
            with psycopg.connect(conninfo("ledger_owner", _DATABASE), autocommit=True) as connection:
                apply_schema(Ledger(connection))
                _seed(connection)
            # A name of its own: the stack's file of connections would win over the environment.
            with (
                mock.patch.dict(os.environ, {f"AIRFLOW_CONN_{_DATABASE.upper()}": json.dumps(reader)}),
                mock.patch("feed_page.reading.READER_CONN_ID", _DATABASE),
            ):
                yield
        finally:
            server.execute(f"drop database {_DATABASE} with (force)")


def _seed(connection: psycopg.Connection[Any]) -> None:
    with connection.transaction():
        for part in statements.statement("seed_pages").split(";\n"):
            if part.strip():
                connection.execute(part, _SIZES)
    connection.execute("vacuum analyze")  # as autovacuum does some time after so many rows
