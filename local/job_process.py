"""Runs a job of minilake as a process that ends with its run: cancelled, timed out, or with the service.

minilake's own executor starts Python anew for each job, lets the process of a cancelled run go on, and says no more of a failure
than its exit code.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import psutil
from minilake import docker_executor
from minilake.services import jobs

from local import job_python
from local.config import SECRET_PREFIX

_POLL_SECONDS = 0.2
_RUN_ID: ContextVar[int | None] = ContextVar("run_id", default=None)
_COMMAND = [sys.executable, job_python.__file__]


class JobPython:
    """The Python that jobs are forked from (``local.job_python``): started when needed, and again when it has ended."""

    def __init__(self) -> None:
        self._running: tuple[subprocess.Popen[bytes], socket.socket] | None = None

    def start(self) -> socket.socket:
        """Start it, unless it runs; give the socket that takes jobs. One that comes before its libraries are loaded waits."""
        if self._running is not None:
            process, requests = self._running
            if process.poll() is None:
                return requests
            requests.close()
        requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            process = subprocess.Popen(
                [*_COMMAND, str(theirs.fileno())], env=_job_environment(), pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL
            )
        self._running = process, requests
        return requests

    def stop(self) -> None:
        """End it, and the jobs that run."""
        if self._running is not None:
            process, requests = self._running
            requests.close()
            process.wait()

    def fork(self, script: str, args: Sequence[str], environment: Mapping[str, str], output: int) -> socket.socket:
        """Let a job begin that prints to a file; give a socket that tells a line with its pid, then one with its exit code."""
        job = json.dumps({"script": script, "args": list(args), "environment": dict(environment)}).encode()
        report, theirs = socket.socketpair()
        with theirs:
            descriptors = [output, theirs.fileno()]
            try:
                socket.send_fds(self.start(), [job], descriptors)
            except BrokenPipeError:  # it has ended a moment ago
                self.stop()
                socket.send_fds(self.start(), [job], descriptors)
        return report


_PYTHON = JobPython()


def install() -> None:
    """Make minilake run its jobs through :func:`run_python_task`."""
    execute_run = jobs._execute_run

    async def execute_known_run(run_id: int, argv: list[str]) -> None:
        _RUN_ID.set(run_id)
        await execute_run(run_id, argv)

    jobs._execute_run = execute_known_run
    docker_executor.run_python_task = run_python_task
    _PYTHON.start()


def job_pids(processes: Iterable[psutil.Process]) -> list[int]:
    """Give those that are jobs: each leads a session of its own, unlike the Python that it comes from."""
    found = []
    for process in processes:
        with suppress(psutil.Error, ProcessLookupError):
            if process.cmdline()[: len(_COMMAND)] == _COMMAND and os.getsid(process.pid) == process.pid:
                found.append(process.pid)
    return found


async def run_python_task(
    script_path: str,
    args: Sequence[str] = (),
    image: str | None = None,
    timeout_seconds: float = docker_executor.DEFAULT_TIMEOUT_SECONDS,
    env: Mapping[str, str] | None = None,
    packages: Sequence[str] | None = None,
) -> Any:
    """Run a Python file and wait for it; ``image`` and ``packages`` mean nothing without containers.

    Returns
    -------
    minilake.docker_executor.ExecutionResult
        Exit code and output; for a failure its last line as the error, as Databricks names the exception.
    """
    with tempfile.TemporaryFile() as output:
        report = _PYTHON.fork(str(Path(script_path).resolve()), args, env or {}, output.fileno())
        # A socket and a file: uvloop closes the descriptor of a pipe a second time, when it may be another thread's.
        told, connection = await asyncio.open_unix_connection(sock=report)
        pid = int(await told.readline() or 0)
        code = asyncio.ensure_future(told.readline())
        try:
            ended = await _wait(code, timeout_seconds)
        finally:
            with suppress(ProcessLookupError):
                if pid:
                    os.killpg(pid, signal.SIGKILL)
        # Nothing is told when the Python that the job was forked from has ended before it.
        exit_code = int(await code or -signal.SIGKILL)
        connection.close()
        output.seek(0)
        logs = output.read().decode(errors="replace")
    lines = logs.strip().splitlines()
    error = lines[-1] if ended and exit_code and lines else None
    return docker_executor.ExecutionResult(exit_code=exit_code, logs=logs, timed_out=not ended, error=error)


def _job_environment() -> dict[str, str]:
    """Environment of the service without what is its own: a job sees no more than it would on a cluster."""
    own = ("MINILAKE_", "SUPERVISOR_", "PYTHONPATH", SECRET_PREFIX)
    return {name: value for name, value in os.environ.items() if not name.startswith(own)}


async def _wait(code: asyncio.Future[bytes], timeout_seconds: float) -> bool:
    """Wait for the end of the process or for the cancellation of its run; ``False`` when the time is up before."""
    deadline = asyncio.get_running_loop().time() + timeout_seconds
    while not code.done():
        if asyncio.get_running_loop().time() > deadline:
            return False
        run = jobs._state["runs"].get(_RUN_ID.get(), {})
        if run.get("_cancel_requested"):
            return True
        await asyncio.wait({code}, timeout=_POLL_SECONDS)
    return True
