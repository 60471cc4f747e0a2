"""Row 9: the queries of a UI's pages on a ledger with 1,000,000 detections and 10,000 chunks, in a database of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from benchmarks import statements
from benchmarks.bench import Bench, say
from benchmarks.numbers import spread
from benchmarks.results import Result
from feeds.ledger import Ledger
from feeds.ledger import statement as ledger_statement
from feeds.schema import apply_schema

_DATABASE = "ledger_pages"
_SIZES = {"chunks": 10_000, "detections": 1_000_000}
_VALUES = {
    "feed": "pages", "feed_id": 1, "before": 5_000, "after": 500_000, "pattern_id": "PatId1", "merchant": "M2500",
    "customer": "C1234", "first_chunk": 4_000, "last_chunk": 4_100,
}  # fmt: skip
_OF_THE_PIPELINE = ("select_progress", "select_files")
_SLOW_MS = 300


def measure(bench: Bench) -> list[Result]:
    """Time every query some times, in turn; explain those that are too slow."""
    say(f"row 9: making a ledger of {_SIZES['detections']:,} detections and {_SIZES['chunks']:,} chunks")
    label = f"{_SIZES['detections']:,} detections, {_SIZES['chunks']:,} chunks"
    with _scratch(bench) as connection:
        apply_schema(Ledger(connection))
        with connection.transaction():
            for part in statements.statement("seed_pages").split(";\n"):
                if part.strip():
                    connection.execute(part, _SIZES)
        connection.execute("vacuum analyze")  # as autovacuum does some time after so many rows
        queries = {name: ledger_statement(name) for name in _OF_THE_PIPELINE}
        queries |= {path.stem: path.read_text() for path in sorted(statements.FOLDER.glob("page_*.sql"))}
        times: dict[str, list[float]] = {name: [] for name in queries}
        for number in range(bench.options.repeats + 1):
            for name, query in queries.items():
                took = _milliseconds(connection, query)
                if number:  # the first fills the caches
                    times[name].append(took)
        plans = {n: _plan(connection, queries[n]) for n, taken in times.items() if spread(taken).median > _SLOW_MS}
    results = [Result("9", name, "ms", taken, label, {"plan": plans.get(name, [])}) for name, taken in times.items()]
    slowest = [max(each) for each in zip(*times.values(), strict=True)]
    return [Result("9", "slowest page query", "ms", slowest, label), *results]


def _milliseconds(connection: psycopg.Connection[Any], query: str) -> float:
    started = time.perf_counter()
    connection.execute(query, _VALUES).fetchall()
    return 1000 * (time.perf_counter() - started)


def _plan(connection: psycopg.Connection[Any], query: str) -> list[str]:
    rows = connection.execute(f"explain (analyze, buffers, timing off) {query}", _VALUES).fetchall()
    return [str(line) for (line,) in rows]


@contextmanager
def _scratch(bench: Bench) -> Iterator[psycopg.Connection[Any]]:
    """Give a database of its own in the stack's PostgreSQL, and drop it afterwards."""

    def conninfo(user: str, password: str, database: str) -> str:
        port = bench.config.ports["postgres"]
        return make_conninfo(host="127.0.0.1", port=port, user=user, password=password, dbname=database)

    admin = conninfo("postgres", bench.config.passwords["postgres"], "postgres")
    with psycopg.connect(admin, autocommit=True) as server:
        server.execute(f"drop database if exists {_DATABASE} with (force)")
        server.execute(f"create database {_DATABASE} owner ledger_owner")
        try:
            own = conninfo("ledger_owner", bench.config.passwords["ledger_owner"], _DATABASE)
            with psycopg.connect(own, autocommit=True) as connection:
                yield connection
        finally:
            server.execute(f"drop database {_DATABASE} with (force)")
