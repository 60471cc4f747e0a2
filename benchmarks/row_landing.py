"""Row 6: landing alone, not paced: its pace, the bytes that it reads from Drive, and its memory on a feed ten times as long."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import httpx

from benchmarks.bench import Bench, airflow_kept_off, new_feed, say
from benchmarks.feeds import Files, scaled_files
from benchmarks.results import Result
from local.config import CHECKOUT

_LONGER = 10


def measure(bench: Bench) -> list[Result]:
    """Land the feed some times, and once a longer one."""
    runs = []
    with airflow_kept_off(bench):
        for number in range(1, bench.options.repeats + 1):
            runs.append(_landed(bench, bench.files))
            say(f"row 6: run {number}: {runs[-1]['chunks'] / runs[-1]['seconds']:.1f} chunks/s, peak {runs[-1]['peak']:.0f} MB")
        longer = scaled_files(_LONGER)
        say(f"row 6: {longer.chunks} chunks once, for the memory")
        long_run = _landed(bench, longer)
    label = bench.files.label
    return [
        Result("6", "landing", "chunks/s", [run["chunks"] / run["seconds"] for run in runs], label, {"runs": runs}),
        Result("6", "Drive bytes", "x file", [run["bytes"] / run["size"] for run in runs], label),
        Result("6", "peak memory", "MB", [run["peak"] for run in runs], label),
        Result("6", "CPU", "s", [run["cpu"] for run in runs], label),
        Result("6", f"peak memory, {longer.chunks} chunks", "MB", [long_run["peak"]], longer.label, {"run": long_run}),
        Result("6", "memory, ten times as long", "x", [long_run["peak"] / max(run["peak"] for run in runs)], longer.label),
        Result("6", f"landing, {longer.chunks} chunks", "chunks/s", [long_run["chunks"] / long_run["seconds"]], longer.label),
    ]


def _landed(bench: Bench, files: Files) -> dict[str, Any]:
    feed = new_feed(files)
    folder_id = bench.put_on_drive(files, feed)
    with httpx.Client(base_url=bench.addresses.drive_url, trust_env=False) as drive:
        drive.post("/standin/served/reset").raise_for_status()
        command = [sys.executable, "-m", "benchmarks.landing_process", "--feed", feed, "--folder-id", folder_id]
        environment = os.environ | {
            "BENCH_LEDGER": bench.addresses.ledger_dsn,
            "PYTHONPATH": f"{CHECKOUT / 'plugins'}:{CHECKOUT}",
        }
        done = subprocess.run(
            [*command, "--last", str(files.chunks)], env=environment, cwd=CHECKOUT, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"landing {feed} failed:\n{done.stderr[-2000:]}")
        served = drive.get("/standin/served").raise_for_status().json().values()
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    sent = [count for count in served if count["name"] == files.transactions.name]
    return {
        **figures,
        "size": files.transactions.stat().st_size,
        "bytes": sum(count["bytes"] for count in sent),
        "requests": sum(count["requests"] for count in sent),
    }
