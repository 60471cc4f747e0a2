"""Raw results: one JSON file a row, kept in git; each session appends what it measured, with its circumstances."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

FOLDER = Path(__file__).resolve().parent / "results"
_CHECKOUT = FOLDER.parents[1]


@dataclass(frozen=True)
class Result:
    """What one session measured of one thing.

    Attributes
    ----------
    row
        Row of the table that it belongs to; the name of its file.
    measure
        Which of the row's figures it is: a key of ``benchmarks.targets``, or a figure without a target.
    unit
        Of the values.
    values
        One for each run.
    feed
        What was processed.
    details
        What a plot or a reader may want besides; JSON.
    """

    row: str
    measure: str
    unit: str
    values: list[float]
    feed: str
    details: dict[str, Any] = field(default_factory=dict)


def circumstances() -> dict[str, Any]:
    """Say when, on which code and on which machine a session runs."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _git("rev-parse", "--short=12", "HEAD") + ("+" if _changed() else ""),
        "machine": {
            "cores": len(os.sched_getaffinity(0)),
            "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
            "processor": _processor(),
            "kernel": platform.release(),
            "python": platform.python_version(),
            "load_before": round(os.getloadavg()[0], 2),
        },
    }


def append(results: list[Result], session: dict[str, Any], folder: Path = FOLDER) -> None:
    """Add results to their files; a file is replaced as a whole."""
    folder.mkdir(exist_ok=True)
    for row in sorted({result.row for result in results}):
        path = folder / f"{row}.json"
        known = json.loads(path.read_text()) if path.exists() else []
        known += [{**session, **asdict(result)} for result in results if result.row == row]
        partial = path.with_suffix(".new")
        partial.write_text("[\n" + ",\n".join(json.dumps(entry) for entry in known) + "\n]\n")
        partial.replace(path)


def load(folder: Path = FOLDER) -> list[dict[str, Any]]:
    """Give all results, the oldest first."""
    entries = [entry for path in sorted(folder.glob("*.json")) for entry in json.loads(path.read_text())]
    return sorted(entries, key=lambda entry: entry["date"])


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=_CHECKOUT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _changed() -> bool:
    """Whether the code differs from the commit; results of earlier rows of the same session are no code."""
    return bool(_git("status", "--porcelain", "--", ".", ":!benchmarks/results", ":!docs"))


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor())
