"""CPU seconds and memory of the stack's processes, as the system counts them."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psutil

from local.stack import Stack

_SAMPLE_SECONDS = 0.5
Cpu = Mapping[str, float]


def services_cpu(stack: Stack) -> Cpu:
    """CPU seconds so far of every service, with its children, the ended ones included."""
    found: dict[str, float] = defaultdict(float)
    for state in stack.status():
        for process in _family(state.pid):
            with suppress(psutil.Error):
                times = process.cpu_times()
                found[state.service] += times.user + times.system + times.children_user + times.children_system
    return dict(found)


def cpu_of(before: Cpu, after: Cpu, services: Sequence[str]) -> dict[str, float]:
    """CPU seconds between two looks, by service."""
    return {service: round(after.get(service, 0.0) - before.get(service, 0.0), 3) for service in services}


@dataclass
class Peaks:
    """Greatest resident memory seen, in bytes: of the Spark driver, and of any one process that runs Airflow's tasks."""

    driver: int = 0
    tasks: int = 0


@contextmanager
def memory_watched(stack: Stack) -> Iterator[Peaks]:
    """Sample memory twice a second while the block runs."""
    peaks, ended = Peaks(), threading.Event()

    def watch() -> None:
        pids = {state.program: state.pid for state in stack.status()}
        while not ended.wait(_SAMPLE_SECONDS):
            driver = max((_rss(p) for p in _family(pids.get("spark", 0)) if _is_java(p)), default=0)
            tasks = max((_rss(p) for p in _family(pids.get("airflow-scheduler", 0))[1:]), default=0)
            peaks.driver, peaks.tasks = max(peaks.driver, driver), max(peaks.tasks, tasks)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield peaks
    finally:
        ended.set()
        watcher.join()


def _family(pid: int) -> list[psutil.Process]:
    """Give a process and all its descendants that are there."""
    try:
        process = psutil.Process(pid) if pid else None
        return [] if process is None else [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


def _rss(process: psutil.Process) -> int:
    with suppress(psutil.Error):
        return int(process.memory_info().rss)
    return 0


def _is_java(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return "java" in process.name()
    return False
