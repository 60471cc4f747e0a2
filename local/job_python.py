"""Python with PySpark loaded, from which the processes of jobs are forked: on a warm cluster a job need not wait for its imports.

``python local/job_python.py FD``; FD is a socket. A message on it is a job: ``{"script", "args", "environment"}`` as JSON, with
two descriptors: of a file, for the job's output; and of a socket, for what this process says of it, its pid and in the end its
exit code. A job is a session of its own, so that all of its processes can be killed together; no job sees anything of another,
nor of this checkout.

A file of its own that imports nothing from here, because whatever it imports, every job would have.
"""

from __future__ import annotations

import contextlib
import json
import os
import runpy
import selectors
import signal
import socket
import sys
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path

_LIBRARIES = ("pyspark.sql.functions", "pyspark.sql.connect.session")
_MESSAGE_BYTES = 1 << 20


def next_job(server: socket.socket) -> tuple[str, list[str], dict[str, str]]:
    """Fork a process for each job that comes. Returns in these processes only, with what they are to run.

    Raises
    ------
    SystemExit
        The other end of the socket has been closed; the jobs that run are killed.
    """
    reports: dict[int, int] = {}
    woken, wake = socket.socketpair()
    for end in (woken, wake):
        end.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake.fileno())
    with selectors.DefaultSelector() as selector:
        selector.register(server, selectors.EVENT_READ)
        selector.register(woken, selectors.EVENT_READ)
        while True:
            ready = [key.fileobj for key, _ in selector.select()]
            if woken in ready:
                woken.recv(_MESSAGE_BYTES)
                _report_ended(reports)
            if server not in ready:
                continue
            message, descriptors, _, _ = socket.recv_fds(server, _MESSAGE_BYTES, 2)
            if not message:
                _kill(reports)
                raise SystemExit
            output, report = descriptors
            pid = os.fork()
            if pid:
                os.close(output)
                reports[pid] = report
                continue
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for end in (server, woken, wake):
                end.close()
            for other in reports.values():
                os.close(other)
            _become_job(output, report)
            job = json.loads(message)
            return job["script"], job["args"], job["environment"]


def _report_ended(reports: dict[int, int]) -> None:
    """Say of each process that has ended with which exit code: negative for a signal."""
    for pid in list(reports):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            with contextlib.suppress(BrokenPipeError):  # nobody waits for it any more
                os.write(reports[pid], f"{os.waitstatus_to_exitcode(status)}\n".encode())
            os.close(reports.pop(pid))


def _kill(pids: Iterable[int]) -> None:
    """Kill jobs, each with all of its processes; one that has begun a moment ago is not a session yet."""
    for pid in pids:
        try:
            os.killpg(pid, signal.SIGKILL)
        except ProcessLookupError:
            os.kill(pid, signal.SIGKILL)


def _become_job(output: int, report: int) -> None:
    os.setsid()
    os.write(report, f"{os.getpid()}\n".encode())  # not before: who knows it may kill the session
    os.close(report)
    for stream in (1, 2):
        os.dup2(output, stream)
    os.close(output)


if __name__ == "__main__":
    sys.path.pop(0)  # this folder
    for library in _LIBRARIES:
        import_module(library)
    file, arguments, variables = next_job(socket.socket(fileno=int(sys.argv[1])))
    os.environ.update(variables)
    folder = str(Path(file).parent)
    os.chdir(folder)
    sys.argv = [file, *arguments]
    sys.path.insert(0, folder)
    runpy.run_path(file, run_name="__main__")
