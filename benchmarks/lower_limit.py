"""Comparison (a): the same detection, chunk by chunk, in one process and in memory, with DuckDB. Nothing is landed or kept.

It is what the rules cost at least: no Drive, no blobs, no ledger, no orchestration, nothing that survives a kill. Its detections
are those of ``tests/reference.py``, which :func:`refuse_other_detections` checks. It expects files without bad rows. On a
long feed it is a comparison, no limit: at every chunk it ranks all customers of the chunk's merchants.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import duckdb

from benchmarks.feeds import CHUNK_ROWS, Files
from benchmarks.numbers import sum_between
from benchmarks.statements import statement
from tests import reference

Found = tuple[int, str, str, str]


@dataclass(frozen=True)
class Limit:
    """What it found, and how long it took.

    Attributes
    ----------
    detections
        Chunk, pattern, customer and merchant, in the order of the detection files.
    reading
        Seconds for reading the files into memory.
    chunk_seconds
        Seconds by chunk, of those that were measured.
    """

    detections: list[Found]
    reading: float
    chunk_seconds: dict[int, float]

    @property
    def seconds(self) -> float:
        """Seconds for all of it, up to the last chunk measured; chunks that were not measured are interpolated."""
        chunks = sorted(self.chunk_seconds)
        return self.reading + sum_between(chunks, [self.chunk_seconds[chunk] for chunk in chunks], 1, chunks[-1])


def detect(transactions: Path, importance: Path, at: Collection[int] = ()) -> Limit:
    """Detect with the default rules.

    Parameters
    ----------
    transactions, importance
        The files.
    at
        The chunks to measure, all by default. Those between are added together, and evaluated at the last of them alone: a feed
        of thousands of chunks would take hours.
    """
    with duckdb.connect() as memory:
        memory.execute("set threads to 2")
        started = time.monotonic()
        _execute(memory, "lower_limit_read", transactions=str(transactions), importance=str(importance), chunk_rows=CHUNK_ROWS)
        reading = time.monotonic() - started
        (chunks,) = memory.execute("select max(chunk) from rows").fetchone() or (0,)
        before, seconds = 0, {}
        for chunk in sorted(at) or range(1, chunks + 1):
            if chunk - 1 > before:
                _apply(memory, before + 1, chunk - 1)
            seconds[chunk] = _apply(memory, chunk, chunk)
            before = chunk
        found = memory.execute("select chunk, pattern, customer, merchant from found order by chunk, pattern, merchant, customer")
        return Limit(found.fetchall(), reading, seconds)


def _apply(memory: duckdb.DuckDBPyConnection, first: int, last: int) -> float:
    """Add some chunks to the state and evaluate the rules after the last; give the seconds."""
    started = time.monotonic()
    _execute(memory, "lower_limit_add", first=first, last=last)
    _execute(memory, "lower_limit_evaluate", last=last)
    return time.monotonic() - started


def refuse_other_detections(limit: Limit, files: Files) -> None:
    """Raise unless it has found what the reference implementation finds."""
    expected = [(d.chunk, d.pattern_id, d.customer, d.merchant) for d in reference.detect(files.transactions, files.importance)]
    if limit.detections != expected:
        raise RuntimeError(
            f"the lower limit finds {len(limit.detections)} detections on {files.label}, the reference {len(expected)}, "
            f"first difference {sorted(set(limit.detections) ^ set(expected))[:1]}: its time means nothing"
        )


def _execute(memory: duckdb.DuckDBPyConnection, name: str, **values: str | int) -> None:
    """Run a file's statements, each with those of the values that it names."""
    for part in filter(None, map(str.strip, statement(name).split(";"))):
        memory.execute(part, {value: values[value] for value in values if f"${value}" in part})
