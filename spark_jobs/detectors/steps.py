"""What people read in the output of the job's run: a line per step, and at the end of a failed run the reason."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from pyspark.errors import PySparkException

from detectors.errors import JobError

_LONGEST_REASON = 600


@contextmanager
def step(name: str) -> Iterator[list[str]]:
    """Print a line when a step is done: its name, its seconds, and the facts that the step adds to the list."""
    started = time.monotonic()
    facts: list[str] = []
    yield facts
    print(f"{name}: {time.monotonic() - started:.2f} s{''.join(f', {fact}' for fact in facts)}", flush=True)


@contextmanager
def reason_last() -> Iterator[None]:
    """Let an error from Spark end with its reason: Spark ends it with a stack trace, and a failed run shows the last line.

    Raises
    ------
    JobError
        Spark, or what it reaches (PostgreSQL, the blob store), has failed. It is chained to Spark's own error.
    """
    try:
        yield
    except PySparkException as error:
        raise JobError(_reason(str(error))) from error


def _reason(message: str) -> str:
    """Give an error's first line; a long one holds a statement with all its rows between two useful ends."""
    line = next(iter(message.strip().splitlines()), "Spark gave no reason")
    half = _LONGEST_REASON // 2
    return line if len(line) <= _LONGEST_REASON else f"{line[:half]} ... {line[-half:]}"
