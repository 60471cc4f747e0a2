"""Runs programs under supervisord: writes its configuration, talks to it, and leaves no process behind.

supervisord starts, restarts and stops the programs, each in a process group of its own, and keeps their logs within bounds.
What it cannot see are processes that left their group (workers of Airflow's LocalExecutor, jobs of minilake). So every
process carries the stack's directory in its environment, and whatever still carries it after a stop is killed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import sys
import tempfile
import time
import xmlrpc.client
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

import psutil
from supervisor.xmlrpc import SupervisorTransport

from local.config import StackError, write_private
from local.programs import Program, clean_environment

MARKER = "TRANSACTION_PATTERNS_STACK"
"""Environment variable that every process of a stack carries: the stack's directory."""

_MAX_SOCKET_PATH = 90  # the system's limit is 107 bytes, and supervisord appends its pid while it creates the socket
_STOP_SECONDS = 60
_UNREACHABLE = (OSError, HTTPException, xmlrpc.client.ProtocolError)


@dataclass(frozen=True)
class ProgramState:
    """What supervisord says of a program: its state in supervisord's words, its pid (0: none), its log file."""

    name: str
    state: str
    pid: int
    log: Path

    @property
    def running(self) -> bool:
        """Whether its process is there."""
        return self.state in ("STARTING", "RUNNING")


class Supervisor:
    """The supervisord of one stack.

    Parameters
    ----------
    directory
        The stack's directory.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.logs = directory / "logs"
        self._conf = directory / "supervisord.conf"
        self._socket = _socket_path(directory)

    def is_up(self) -> bool:
        """Say whether supervisord answers."""
        try:
            self._rpc().getState()
        except _UNREACHABLE:
            return False
        return True

    def up(self, programs: Iterable[Program]) -> None:
        """Make supervisord run and know these programs. It starts none of them; one that runs keeps running as it is."""
        write_private(self._conf, self._conf_text(programs))
        if self.is_up():
            self._reload()
            return
        self.logs.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(self._conf)]
        environment = clean_environment() | {MARKER: str(self.directory)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=self.directory)
        deadline = time.monotonic() + 20
        while not self.is_up():
            if done.returncode or time.monotonic() > deadline:
                raise StackError(f"supervisord does not start: {done.stderr.strip() or done.stdout.strip()}")
            time.sleep(0.05)

    def start(self, name: str) -> None:
        """Start a program; nothing happens when it runs already. Whether it is healthy is another question."""
        try:
            self._rpc().startProcess(name, False)
        except xmlrpc.client.Fault as fault:
            if "ALREADY_STARTED" not in fault.faultString:
                raise StackError(f"{name} cannot be started: {fault.faultString}; its log is {self.log(name)}") from fault

    def stop(self, name: str) -> None:
        """Stop a program and wait until it has ended."""
        with contextlib.suppress(xmlrpc.client.Fault):
            self._rpc().stopProcess(name, True)

    def states(self) -> dict[str, ProgramState]:
        """State of every program by name; empty when supervisord does not run."""
        try:
            answer: Any = self._rpc().getAllProcessInfo()
        except _UNREACHABLE:
            return {}
        return {p["name"]: ProgramState(p["name"], p["statename"], p["pid"], self.log(p["name"])) for p in answer}

    def log(self, name: str) -> Path:
        """Log file of a program."""
        return self.logs / f"{name}.log"

    def shutdown(self, order: Sequence[Sequence[str]] = ()) -> None:
        """Stop all programs, then supervisord, and kill whatever is left of them.

        Parameters
        ----------
        order
            Programs to stop together, group after group, before the others.
        """
        tree: list[psutil.Process] = []
        with contextlib.suppress(*_UNREACHABLE, psutil.Error, xmlrpc.client.Fault):
            supervisord = psutil.Process(int(str(self._rpc().getPID())))
            # Some processes rename themselves over their environment; so remember the tree as well.
            tree = [supervisord, *supervisord.children(recursive=True)]
            for group in order:
                self._stop_together(group)
            self._rpc().shutdown()
            psutil.wait_procs([supervisord], timeout=_STOP_SECONDS)
        _kill(tree)
        self.kill_leftovers()

    def _stop_together(self, names: Sequence[str]) -> None:
        for name in names:
            with contextlib.suppress(xmlrpc.client.Fault):  # it does not run
                self._rpc().stopProcess(name, False)
        deadline = time.monotonic() + _STOP_SECONDS
        while time.monotonic() < deadline:
            states = self.states()
            if not any(states[name].pid for name in names if name in states):
                return
            time.sleep(0.05)

    def kill_leftovers(self) -> None:
        """Kill every process that carries this stack's mark."""
        _kill(marked_processes(self.directory))

    def _rpc(self) -> Any:
        transport = SupervisorTransport(None, None, serverurl=f"unix://{self._socket}")
        return xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport).supervisor

    def _reload(self) -> None:
        ((added, changed, removed),) = self._rpc().reloadConfig()
        running = {name for name, state in self.states().items() if state.running}
        for name in [*changed, *removed]:
            if name not in running:
                with contextlib.suppress(xmlrpc.client.Fault):
                    self._rpc().removeProcessGroup(name)
        for name in [*added, *changed]:
            if name not in running:
                self._rpc().addProcessGroup(name)

    def _conf_text(self, programs: Iterable[Program]) -> str:
        sections = [
            "; Generated at every start of the stack.",
            "[unix_http_server]",
            f"file={_escaped(self._socket)}",
            "chmod=0600",
            "[supervisord]",
            f"logfile={_escaped(self.logs / 'supervisord.log')}",
            "logfile_maxbytes=2MB",
            "logfile_backups=1",
            f"pidfile={_escaped(self.directory / 'supervisord.pid')}",
            f"childlogdir={_escaped(self.logs)}",
            "umask=022",
            *(["user=root"] if os.geteuid() == 0 else []),  # says that root is meant; without it supervisord warns
            "[rpcinterface:supervisor]",
            "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface",
        ]
        for priority, program in enumerate(programs, start=1):
            sections += self._program_lines(program, priority)
        return "\n".join(sections) + "\n"

    def _program_lines(self, program: Program, priority: int) -> list[str]:
        environment = dict(program.environment)
        lines = [
            f"[program:{program.name}]",
            f"command={' '.join(_quoted(part) for part in program.command)}",
            f"directory={_escaped(program.directory)}",
            f"environment={','.join(f'{name}={_quoted(value)}' for name, value in environment.items())}",
            "autostart=false",
            "autorestart=true",
            "startsecs=1",
            "startretries=3",
            f"priority={priority}",  # stopped in the reverse order
            f"stopsignal={program.stop_signal}",
            f"stopwaitsecs={program.stop_seconds}",
            "stopasgroup=true",
            "killasgroup=true",
            "redirect_stderr=true",
            f"stdout_logfile={_escaped(self.log(program.name))}",
            "stdout_logfile_maxbytes=5MB",
            "stdout_logfile_backups=1",
        ]
        return [*lines, f"user={program.user}"] if program.user else lines


def _escaped(value: object) -> str:
    return str(value).replace("%", "%%")


def _quoted(value: str) -> str:
    """Quote for supervisord, whose quoting knows no escapes."""
    if not value:
        return '""'
    quote = "'" if '"' in value else '"'
    if quote in value or "\n" in value:
        raise StackError(f"supervisord's configuration cannot hold {value!r}; use a path without quotes")
    return quote + _escaped(value) + quote


def _socket_path(directory: Path) -> Path:
    path = directory / "supervisor.sock"
    if len(os.fsencode(path)) <= _MAX_SOCKET_PATH:
        return path
    name = hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
    private = Path(tempfile.gettempdir()) / f"transaction-patterns-{os.getuid()}"
    private.mkdir(mode=0o700, exist_ok=True)
    if private.stat().st_uid != os.getuid() or private.stat().st_mode & 0o077:
        raise StackError(f"{private} belongs to somebody else or is open to others; remove it, or use a shorter path")
    return private / f"{name}.sock"


def marked_processes(directory: Path) -> list[psutil.Process]:
    """Find every process that carries the mark of the stack in a directory."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(MARKER) == str(directory):
                found.append(process)
    return found


def _kill(processes: Iterable[psutil.Process]) -> None:
    doomed = [process for process in processes if process.pid != os.getpid()]
    for process in doomed:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(doomed, timeout=10)
