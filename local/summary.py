"""What came of a run, as a person wants to read it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.table import Table

from feeds.ledger import Ledger


def print_summary(ledger: Ledger, feed: str, triggered_at: datetime, out: Path, files: Sequence[Path]) -> None:
    """Print chunks, rows, detections and times of a feed, and where its files are."""
    progress = ledger.row("select_progress", feed=feed)
    if progress is None:
        return
    totals = ledger.row("select_totals", feed_id=progress["feed_id"]) or {}
    table = Table(show_header=False, title=f"Feed {feed}", title_justify="left")
    end = " (the end of the feed)" if progress["landed_to_end"] else ""
    table.add_row("chunks landed, applied", f"{progress['landed']}, {progress['applied']}{end}")
    table.add_row("rows landed, rejected", f"{totals['landed_rows']:,}, {totals['rejected_rows']:,}")
    table.add_row("batches", str(totals["batches"]))
    for pattern, found in sorted(progress["by_pattern"].items()):
        table.add_row(f"detections {pattern}", str(found))
    table.add_row("detections in files", f"{progress['reserved']} of {progress['detections']}, in {progress['files']} files")
    last_file = progress["last_file_at"]
    if last_file is not None and last_file >= triggered_at:
        table.add_row("from trigger to last file", f"{(last_file - triggered_at).total_seconds():.1f} s")
        if progress["interval_seconds"] and progress["landed"]:
            due = progress["started_at"] + timedelta(seconds=float(progress["interval_seconds"] * (progress["landed"] - 1)))
            table.add_row("last file after last chunk came due", f"{(last_file - due).total_seconds():.1f} s")
    table.add_row("files", f"{len(files)} under {os.path.relpath(out)}")
    Console().print(table)
