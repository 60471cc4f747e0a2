"""Row 10: what an exhausted feed costs while nothing is due, against the same Airflow with the DAG paused."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from benchmarks.airflow_runs import dag_runs, process
from benchmarks.bench import Bench, airflow_kept_off, say, set_paused
from benchmarks.feeds import CHUNK_ROWS, Files
from benchmarks.processes import cpu_of, services_cpu
from benchmarks.results import Result
from local.config import CHECKOUT

_SERVICES = ("airflow", "postgres")
_PAUSED_SHARE = 0.2  # of the time, before and after it: so that a machine that becomes slower or faster does not decide
_SETTLE_SECONDS = 45
"""Airflow starts and ends the watcher of due work when it parses the DAG's file, every 30 s."""
_CHUNKS = 3


def measure(bench: Bench) -> list[Result]:
    """Watch it paused, idle, and paused again."""
    seconds = bench.options.idle_minutes * 60
    files = _beginning(bench.files)
    run = process(bench, files, 0)
    bench.ledger.run("follow_feed", feed_id=run.feed_id)
    set_paused(bench, paused=True)
    paused = [_paused(bench, seconds * _PAUSED_SHARE)]
    set_paused(bench, paused=False)
    time.sleep(_SETTLE_SECONDS)
    idle_from = datetime.now(UTC)
    say(f"row 10: nothing is due for {seconds / 60:g} min")
    idle = _cpu_a_second(bench, seconds)
    queued = [r for r in dag_runs(bench, idle_from - timedelta(minutes=1)) if datetime.fromisoformat(r["queued_at"]) >= idle_from]
    with airflow_kept_off(bench):
        paused.append(_paused(bench, seconds * _PAUSED_SHARE))
    return [
        Result("10", "DAG runs while idle", "runs", [float(len(queued))], files.label, {"minutes": seconds / 60}),
        Result("10", "CPU idle against paused", "x", [idle / (sum(paused) / len(paused))], files.label),
        Result("10", "CPU, not paused", "% of a core", [100 * idle], files.label),
        Result("10", "CPU, paused", "% of a core", [100 * each for each in paused], files.label),
    ]


def _paused(bench: Bench, seconds: float) -> float:
    time.sleep(_SETTLE_SECONDS)
    say(f"row 10: paused for {seconds / 60:g} min")
    return _cpu_a_second(bench, seconds)


def _cpu_a_second(bench: Bench, seconds: float) -> float:
    before, started = services_cpu(bench.stack), time.monotonic()
    time.sleep(seconds)
    used = cpu_of(before, services_cpu(bench.stack), _SERVICES)
    return sum(used.values()) / (time.monotonic() - started)


def _beginning(files: Files) -> Files:
    """Give the first chunks of a feed as files of their own."""
    folder = CHECKOUT / "out" / "bench-feeds" / f"{files.name}-beginning"
    folder.mkdir(parents=True, exist_ok=True)
    beginning = replace(
        files, label=f"{files.label}, {_CHUNKS} chunks", transactions=folder / "transactions.csv", rows=_CHUNKS * CHUNK_ROWS
    )
    with files.transactions.open("rb") as source, beginning.transactions.open("wb") as target:
        target.writelines(next(source) for _ in range(1 + beginning.rows))
    return beginning
