"""Runs a job of minilake as a process that ends with its run: cancelled, timed out, or with the service.

minilake's own executor lets the process of a cancelled run go on, and says no more of a failure than its exit code.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from minilake import docker_executor
from minilake.services import jobs

from local.config import SECRET_PREFIX

_POLL_SECONDS = 0.2
_RUN_ID: ContextVar[int | None] = ContextVar("run_id", default=None)


def install() -> None:
    """Make minilake run its jobs through :func:`run_python_task`."""
    execute_run = jobs._execute_run

    async def execute_known_run(run_id: int, argv: list[str]) -> None:
        _RUN_ID.set(run_id)
        await execute_run(run_id, argv)

    jobs._execute_run = execute_known_run
    docker_executor.run_python_task = run_python_task


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
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        script_path,
        *args,
        stdout=PIPE,
        stderr=STDOUT,
        env=_job_environment() | dict(env or {}),
        cwd=Path(script_path).parent,
        start_new_session=True,  # so that its children can be killed with it
    )
    output = asyncio.ensure_future(process.stdout.read() if process.stdout else asyncio.sleep(0, b""))
    try:
        ended = await _wait(process, timeout_seconds)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    logs = (await output).decode(errors="replace")
    code = await process.wait()
    lines = logs.strip().splitlines()
    error = lines[-1] if ended and code and lines else None
    return docker_executor.ExecutionResult(exit_code=code, logs=logs, timed_out=not ended, error=error)


def _job_environment() -> dict[str, str]:
    """Environment of the service without what is its own: a job sees no more than it would on a cluster."""
    own = ("MINILAKE_", "SUPERVISOR_", "PYTHONPATH", SECRET_PREFIX)
    return {name: value for name, value in os.environ.items() if not name.startswith(own)}


async def _wait(process: Process, timeout_seconds: float) -> bool:
    """Wait for the process or for the cancellation of its run; ``False`` when the time is up before."""
    deadline = asyncio.get_running_loop().time() + timeout_seconds
    while process.returncode is None:
        if asyncio.get_running_loop().time() > deadline:
            return False
        run = jobs._state["runs"].get(_RUN_ID.get(), {})
        if run.get("_cancel_requested"):
            return True
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), _POLL_SECONDS)
    return True
