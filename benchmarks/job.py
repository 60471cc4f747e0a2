"""Runs the detection job as a process of its own on the warm Spark, and measures it.

It starts Python anew; minilake forks a job from one that has PySpark loaded (``local.job_python``).
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass, field

from azure.storage.blob import ContainerClient

from benchmarks.bench import Bench, new_feed
from benchmarks.feeds import Files
from benchmarks.processes import cpu_of, services_cpu
from benchmarks.steps import Step, parse_steps
from local.config import CHECKOUT
from local.mirror import mirror_blobs, wanted_blobs
from local.programs import clean_environment
from local.spark import job_remote

_JOB = CHECKOUT / "spark_jobs" / "detect_patterns.py"


@dataclass(frozen=True)
class JobRun:
    """One execution of the job.

    Attributes
    ----------
    seconds
        From the start of the process to its end.
    start
        Of them, until its first step begins: process start and imports.
    cpu
        CPU seconds by process: the job, and the services that it uses.
    steps
        What it printed of its steps.
    """

    seconds: float
    start: float
    cpu: dict[str, float]
    steps: list[Step] = field(default_factory=list)

    def details(self) -> dict[str, object]:
        """Give it as JSON."""
        steps = [[step.name, step.seconds] for step in self.steps]
        return {"seconds": self.seconds, "start": self.start, "cpu": self.cpu, "steps": steps}


def landed(bench: Bench, files: Files, last: int | None = None) -> str:
    """Land a new feed up to a chunk; give its name."""
    from feeds.blobs import Blobs
    from feeds.drive import DriveHook
    from feeds.landing import land

    feed = new_feed(files)
    land(bench.ledger, DriveHook(), Blobs(), bench.request(files, feed, last_chunk=last or files.chunks))
    return feed


def applied(bench: Bench, feed: str, last: int) -> None:
    """Apply a landed feed's chunks up to one, in one batch."""
    batch_id = opened_batch(bench, feed, last)
    run_job(bench, batch_id)
    commit(bench, batch_id)


def opened_batch(bench: Bench, feed: str, last: int | None = None) -> int:
    """Open the batch of what is landed, up to a chunk."""
    from feeds.detection import open_batch

    batch = open_batch(bench.ledger, feed, None, last)
    if batch is None:
        raise RuntimeError(f"feed {feed} has nothing to apply up to chunk {last}")
    return int(batch["batch_id"])


def run_job(bench: Bench, batch_id: int) -> JobRun:
    """Run the job for an open batch; it stages and commits nothing, so it can be run again."""
    from feeds.blobs import storage_url
    from feeds.detection import select_batch
    from feeds.submission import job_arguments

    arguments = job_arguments(select_batch(bench.ledger, batch_id), storage_url())
    addresses = bench.addresses
    with ContainerClient.from_connection_string(addresses.blob_connection_string, addresses.blob_container) as container:
        mirror_blobs(container, addresses.mirror_dir, wanted_blobs(arguments))  # the stand-in's, not the job's
    environment = clean_environment() | {
        "SPARK_REMOTE": job_remote(bench.config),
        "LEDGER_JDBC_URL": addresses.ledger_jdbc_url,
        "LEDGER_USER": addresses.ledger_user,
        "LEDGER_PASSWORD": addresses.ledger_password,
    }
    before = services_cpu(bench.stack)
    started = time.monotonic()
    with subprocess.Popen(
        [sys.executable, str(_JOB), *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment, cwd=_JOB.parent, text=True,
    ) as process:  # fmt: skip
        lines, first = [], None
        for line in process.stdout or ():
            lines.append(line.rstrip("\n"))
            if first is None and (steps := parse_steps([line])):
                first = time.monotonic() - started - steps[0].seconds
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError("the detection job failed:\n" + "\n".join(lines[-20:]))
    after = services_cpu(bench.stack)
    cpu = {"job": usage.ru_utime + usage.ru_stime, **cpu_of(before, after, ("spark", "postgres"))}
    return JobRun(seconds, first or 0.0, cpu, parse_steps(lines))


def commit(bench: Bench, batch_id: int, *, keep: bool = True) -> float:
    """Run the commit's statements in one transaction, as the operator does; give its seconds.

    Not kept, it is rolled back: it has then done everything but made it durable, and can be measured again.
    """
    from feeds.ledger import statement

    started = time.monotonic()
    with bench.connection.transaction(force_rollback=not keep), bench.connection.cursor() as cursor:
        for part in _statements(statement("commit_batch")):
            cursor.execute(part, {"batch_id": batch_id})
        seconds = time.monotonic() - started
    return time.monotonic() - started if keep else seconds


def _statements(text: str) -> list[str]:
    import sqlparse

    return [part for part in sqlparse.split(text) if part.strip()]
