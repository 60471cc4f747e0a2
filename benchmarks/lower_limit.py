"""Comparison (a): the same detection, chunk by chunk, in one process and in memory, with DuckDB. Nothing is landed or kept.

It is what the rules cost at least: no Drive, no blobs, no ledger, no orchestration, nothing that survives a kill. Its detections
are those of ``tests/reference.py``, which :func:`refuse_other_detections` checks. It expects files without bad rows.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import duckdb

from benchmarks.feeds import CHUNK_ROWS, Files
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
        Seconds for each chunk.
    """

    detections: list[Found]
    reading: float
    chunk_seconds: list[float]

    @property
    def seconds(self) -> float:
        """Seconds for all of it."""
        return self.reading + sum(self.chunk_seconds)


def detect(transactions: Path, importance: Path) -> Limit:
    """Detect with the default rules."""
    with duckdb.connect() as memory:
        memory.execute("set threads to 2")
        started = time.monotonic()
        files = {"transactions": str(transactions), "importance": str(importance), "chunk_rows": CHUNK_ROWS}
        for part in _parts("lower_limit_read"):
            memory.execute(part, {name: value for name, value in files.items() if f"${name}" in part})
        reading = time.monotonic() - started
        (chunks,) = memory.execute("select max(chunk) from rows").fetchone() or (0,)
        apply, seconds = _parts("lower_limit_chunk"), []
        for chunk in range(1, chunks + 1):
            started = time.monotonic()
            for part in apply:
                memory.execute(part, {"chunk": chunk} if "$chunk" in part else None)
            seconds.append(time.monotonic() - started)
        found = memory.execute("select chunk, pattern, customer, merchant from found order by chunk, pattern, merchant, customer")
        return Limit(found.fetchall(), reading, seconds)


def refuse_other_detections(limit: Limit, files: Files) -> None:
    """Raise unless it has found what the reference implementation finds."""
    expected = [(d.chunk, d.pattern_id, d.customer, d.merchant) for d in reference.detect(files.transactions, files.importance)]
    if limit.detections != expected:
        raise RuntimeError(
            f"the lower limit finds {len(limit.detections)} detections on {files.label}, the reference {len(expected)}, "
            f"first difference {sorted(set(limit.detections) ^ set(expected))[:1]}: its time means nothing"
        )


def _parts(name: str) -> list[str]:
    return [part.strip() for part in statement(name).split(";") if part.strip()]
