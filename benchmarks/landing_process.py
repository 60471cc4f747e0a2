"""Lands a feed in a process of its own and prints what it took, as JSON: so that its peak memory is landing's alone."""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from feeds.blobs import Blobs
from feeds.drive import DriveHook
from feeds.landing import land
from feeds.ledger import Ledger
from feeds.request import FeedRequest


class Timed:
    """Stands before an object and counts the seconds that its methods take; threads that work at once count each.

    Parameters
    ----------
    real
        The object.
    """

    def __init__(self, real: Any) -> None:
        self._real = real
        self._lock = threading.Lock()
        self.seconds: dict[str, float] = defaultdict(float)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._real, name)
        return self._timed(name, value) if callable(value) else value

    def _timed(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            started = time.monotonic()
            try:
                return method(*arguments, **named)
            finally:
                with self._lock:
                    self.seconds[name] += time.monotonic() - started

        return call


def main() -> None:
    """Land what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("feed", "folder-id"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--last", type=int, required=True)
    asked = parser.parse_args()
    with psycopg.connect(os.environ["BENCH_LEDGER"], autocommit=True) as connection:
        drive, blobs = Timed(DriveHook()), Timed(Blobs())
        before = _peak()
        started = time.monotonic()
        request = FeedRequest(asked.feed, {"interval_seconds": 0}, folder_id=asked.folder_id, last_chunk=asked.last)
        landed = land(Ledger(connection), drive, blobs, request)  # type: ignore[arg-type]  # it stands for the hook
        seconds = time.monotonic() - started
    parts = {"Drive": sum(drive.seconds.values()), "Blob Storage": sum(blobs.seconds.values())}
    usage = resource.getrusage(resource.RUSAGE_SELF)
    figures = {"seconds": seconds, "chunks": landed["new_chunks"], "peak": _peak(), "before": before, "parts": parts}
    print(json.dumps(figures | {"cpu": usage.ru_utime + usage.ru_stime}))


def _peak() -> float:
    """Greatest resident memory so far, in MB; ``getrusage`` would begin with that of the process that started this one."""
    (kilobytes,) = re.findall(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(kilobytes) / 1024


if __name__ == "__main__":
    main()
