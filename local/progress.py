"""Shows how far a feed has got: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from feed_page.overview import chunks_due, known_chunks
from feeds.ledger import Row

_PLAIN_EVERY_SECONDS = 5


class Display(Protocol):
    """Takes the progress of a feed as often as it is known."""

    def show(self, progress: Row | None) -> None:
        """Show it."""


@contextmanager
def display(last_chunk: int | None) -> Iterator[Display]:
    """Open the display that fits standard output."""
    if sys.stdout.isatty():
        with _live() as live:
            yield _Live(live, last_chunk)
    else:
        yield _Plain()


def describe(progress: Row) -> str:
    """Say in one line how far the feed has got."""
    patterns = ", ".join(f"{name} {found}" for name, found in sorted(progress["by_pattern"].items())) or "none"
    return (
        f"landed {progress['landed']}, applied {progress['applied']}, lag {lag(progress)} chunks, "
        f"detections {progress['detections']} ({patterns}), files {progress['files']}"
    )


def lag(progress: Row) -> int:
    """Chunks that are due, or landed, and not yet applied; no more are due than the source seems to have."""
    known, _ = known_chunks(progress)
    return int(max(chunks_due(progress, known), progress["landed"]) - progress["applied"])


def is_done(progress: Row) -> bool:
    """Whether the feed is exhausted: all has landed, is applied, and every detection is in a file."""
    applied = progress["landed_to_end"] and progress["applied"] == progress["landed"]
    return bool(applied and progress["reserved"] == progress["detections"] and not progress["unconfirmed"])


class _Plain:
    """One line whenever something has changed, but no more than one in a few seconds."""

    def __init__(self) -> None:
        self._last = ""
        self._next = 0.0

    def show(self, progress: Row | None) -> None:
        line = "waiting for the first chunk" if progress is None else describe(progress)
        if line != self._last and time.monotonic() >= self._next:
            print(line, flush=True)
            self._last, self._next = line, time.monotonic() + _PLAIN_EVERY_SECONDS


def _live() -> Progress:
    return Progress(
        TextColumn("{task.description:<8}"),
        BarColumn(bar_width=30),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[text]}"),
        TimeElapsedColumn(),
        console=Console(),
    )


class _Live:
    """Two bars, for landing and applying, and the detections so far."""

    def __init__(self, progress: Progress, last_chunk: int | None) -> None:
        self._progress = progress
        self._last_chunk = last_chunk
        self._landed = progress.add_task("landed", total=None, text="")
        self._applied = progress.add_task("applied", total=None, text="")
        self._found = progress.add_task("found", total=None, text="")

    def show(self, progress: Row | None) -> None:
        if progress is None:
            return
        total = self._total(progress)
        self._update(self._landed, progress["landed"], total, f"{progress['landed']} chunks")
        self._update(self._applied, progress["applied"], total, f"{progress['applied']} chunks, lag {lag(progress)}")
        patterns = "  ".join(f"{name} {found}" for name, found in sorted(progress["by_pattern"].items()))
        written = f"{progress['reserved']} of {progress['detections']} in {progress['files']} files  {patterns}"
        self._update(self._found, progress["reserved"], max(progress["detections"], 1), written)

    def _total(self, progress: Row) -> float:
        """Chunks that the feed seems to have, or that were asked for."""
        known, _ = known_chunks(progress)
        return max(1, min(known, self._last_chunk or known))

    def _update(self, task: Any, completed: float, total: float, text: str) -> None:
        self._progress.update(task, completed=completed, total=total, text=text)
