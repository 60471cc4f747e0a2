"""The embedded stack: real services on this machine, started in order, checked, and stopped without a trace.

stack = Stack(Path(".stack"))
with stack.running():
print(stack.addresses.airflow_url)
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import httpx

from local import airflow_service, azurite, drive, minilake, postgres, spark
from local.config import Addresses, StackConfig, StackError, default_directory, load_config, locked
from local.connections import write_connections
from local.ports import DEFAULT_AIRFLOW_PORT, pick_airflow_port, pick_ports
from local.programs import Program, clean_environment
from local.services import Service
from local.supervision import ProgramState, Supervisor

_SERVICES: Mapping[str, Service] = {
    s.name: s
    for s in (postgres.SERVICE, azurite.SERVICE, drive.SERVICE, spark.SERVICE, minilake.SERVICE, airflow_service.SERVICE)
}
ALL = tuple(_SERVICES)
"""All services, in the order in which they start."""

# What uses a service ends before it; the others end together.
_STOP_ORDER = [
    _SERVICES["airflow"].program_names,
    [name for service in _SERVICES.values() if service.name not in ("airflow", "postgres") for name in service.program_names],
]
_POLL_SECONDS = 0.1
_LOG_LINES = 15


@dataclass(frozen=True)
class ServiceState:
    """One line of the status: a program of a service.

    Parameters
    ----------
    service, program
        Their names; a service can have several programs.
    state
        In supervisord's words, or ``STOPPED``.
    pid
        Its process, 0 when there is none.
    port
        The service's TCP port on 127.0.0.1, 0 before it was first started.
    log
        Its log file.
    """

    service: str
    program: str
    state: str
    pid: int
    port: int
    log: Path


class Stack:
    """The services of one directory.

    Parameters
    ----------
    directory
        Where the stack keeps everything; by default ``STACK_DIR`` or ``.stack`` in the checkout.
    say
        Takes the lines that tell a person how far the start has come; by default nobody is told.
    """

    def __init__(self, directory: Path | None = None, say: Callable[[str], None] | None = None) -> None:
        self.directory = (directory or default_directory()).absolute()
        self._supervisor = Supervisor(self.directory)
        self._say = say or (lambda _line: None)

    @property
    def addresses(self) -> Addresses:
        """Where the services are.

        Raises
        ------
        StackError
            The stack was never started.
        """
        return self._config().addresses

    def airflow_env(self) -> dict[str, str]:
        """Environment for commands such as ``airflow dags test``: the caller's ``PATH`` and the like, and this Airflow."""
        return clean_environment() | airflow_service.airflow_environment(self._config())

    def airflow_client(self) -> httpx.Client:
        """Give a client of Airflow's REST API (``/api/v2``), logged in.

        Raises
        ------
        httpx.HTTPError
            Airflow does not answer.
        """
        return airflow_service.airflow_client(self._config())

    def start(self, services: Sequence[str] = ALL) -> bool:
        """Start services, wait until each is healthy, and say whether the stack was up; programs that run stay as they are.

        Raises
        ------
        StackError
            One does not become healthy. What this call has started is stopped again.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        # Nobody else may look into it. Passing through stays as it is: PostgreSQL, as a user of its own, has its data below.
        self.directory.chmod(self.directory.stat().st_mode & 0o711)
        with locked(self.directory):
            was_up = self._supervisor.is_up()
            if not was_up:
                self._supervisor.kill_leftovers()  # of a supervisord that was killed; they would hold the ports
            before = {name for name, state in self._supervisor.states().items() if state.running}
            try:
                self._start([_SERVICES[name] for name in ALL if name in services], before)
            except BaseException:
                self._undo(before, was_up)
                raise
        return was_up

    def stop(self) -> None:
        """Stop everything and leave no process behind; nothing happens when nothing runs."""
        if not self.directory.exists():
            return
        with locked(self.directory), _undisturbed():
            self._supervisor.shutdown(_STOP_ORDER)

    def is_up(self, services: Sequence[str] = ALL) -> bool:
        """Say whether these services run and are healthy."""
        states = self._supervisor.states()
        if not states:
            return False
        config = self._config()
        return all(_healthy(_SERVICES[name], config, states) for name in services)

    def status(self) -> list[ServiceState]:
        """State of every program, in the order in which they start."""
        config = load_config(self.directory)
        states = self._supervisor.states()
        lines = []
        for service in _SERVICES.values():
            for name in service.program_names:
                known = states.get(name) or ProgramState(name, "STOPPED", 0, self._supervisor.log(name))
                port = config.ports.get(service.name, 0)
                lines.append(ServiceState(service.name, name, known.state, known.pid, port, known.log))
        return lines

    @contextmanager
    def running(self, services: Sequence[str] = ALL) -> Iterator[Stack]:
        """Start the services and stop everything at the end: after an error, Ctrl-C, SIGTERM or SIGHUP as well.

        A stack of which something ran before is somebody else's: it is used, and left up.
        """
        if self.is_up(services):
            yield self
            return
        with _signals_as_exit():
            was_up = self.start(services)  # when it fails, it has stopped again what it had started
            try:
                yield self
            finally:
                if not was_up:
                    self.stop()

    def _config(self) -> StackConfig:
        config = load_config(self.directory)
        if not config.ports:
            raise StackError(f"the stack in {self.directory} was never started; run: make up")
        return config

    def _start(self, services: Sequence[Service], before: set[str]) -> None:
        config = self._with_ports(load_config(self.directory), [service.name for service in services], before)
        config.save()
        write_connections(config)
        programs = {service.name: service.programs(config) for service in _SERVICES.values()}
        self._supervisor.up([program for group in programs.values() for program in group])
        ready: set[str] = set()
        for service in services:
            for need in service.needs:
                self._make_ready(_SERVICES[need], config, before, ready)
            self._launch(service, config, programs[service.name])
        for service in services:
            self._make_ready(service, config, before, ready)

    def _with_ports(self, config: StackConfig, services: Sequence[str], before: set[str]) -> StackConfig:
        """Keep the ports of what runs, check the others, and pick those that are missing or taken."""
        idle = [s.name for s in _SERVICES.values() if not before & set(s.program_names)]
        ports = dict(config.ports)
        if "airflow" in services and "airflow" in idle:  # first, for only this one can be asked for: the others make way
            default = self.directory == default_directory()
            ports["airflow"] = pick_airflow_port(ports, prefer_default=default)
            if default and ports["airflow"] != DEFAULT_AIRFLOW_PORT and not os.environ.get("AIRFLOW_PORT"):
                self._say(f"port {DEFAULT_AIRFLOW_PORT} is taken: Airflow's UI is on port {ports['airflow']}")
        ports |= pick_ports(ports, [name for name in idle if name != "airflow" or name not in ports])
        return StackConfig(config.directory, ports, config.passwords)

    def _launch(self, service: Service, config: StackConfig, programs: Sequence[Program]) -> None:
        states = self._supervisor.states()
        if all(states[program.name].running for program in programs):
            return
        self._say(f"starting {service.name}")
        service.prepare(config)
        for program in programs:
            self._supervisor.start(program.name)

    def _make_ready(self, service: Service, config: StackConfig, before: set[str], ready: set[str]) -> None:
        if service.name in ready:
            return
        started = time.monotonic()
        self._wait(service, config, started + service.seconds)
        ready.add(service.name)
        if not before >= set(service.program_names):
            service.provision(config)
            self._say(f"{service.name} is ready ({time.monotonic() - started:.1f} s)")

    def _wait(self, service: Service, config: StackConfig, deadline: float) -> None:
        while True:
            try:
                service.check(config)
                return
            except Exception as error:
                problem = error
            states = self._supervisor.states()
            ended = [name for name in service.program_names if name in states and states[name].state == "FATAL"]
            if ended or time.monotonic() > deadline:
                why = "ended" if ended else f"is not healthy after {service.seconds:.0f} s ({problem})"
                raise StackError(f"{service.name} {why}\n" + "\n".join(map(self._log_tail, ended or service.program_names)))
            time.sleep(_POLL_SECONDS)

    def _log_tail(self, program: str) -> str:
        path = self._supervisor.log(program)
        lines = path.read_text(errors="replace").splitlines()[-_LOG_LINES:] if path.exists() else []
        return "\n".join([f"last lines of {path}:", *(f"  {line}" for line in lines)])

    def _undo(self, before: set[str], was_up: bool) -> None:
        with _undisturbed():
            if not was_up:
                self._supervisor.shutdown(_STOP_ORDER)
                return
            for name, state in self._supervisor.states().items():
                if state.running and name not in before:
                    self._supervisor.stop(name)


def _healthy(service: Service, config: StackConfig, states: Mapping[str, ProgramState]) -> bool:
    if not all(name in states and states[name].running for name in service.program_names):
        return False
    try:
        service.check(config)
    except Exception:
        return False
    return True


@contextmanager
def _signals_as_exit() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into ``SystemExit``, so that ``finally`` runs; Ctrl-C raises by itself."""

    def leave(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    with _handlers({signal.SIGTERM: leave, signal.SIGHUP: leave}):
        yield


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let nobody interrupt the stopping half-way: it takes a bounded time."""
    with _handlers(dict.fromkeys((signal.SIGINT, signal.SIGTERM, signal.SIGHUP), signal.SIG_IGN)):
        yield


@contextmanager
def _handlers(handlers: Mapping[signal.Signals, Callable[[int, FrameType | None], None] | signal.Handlers]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread can set handlers, and only it gets signals
        return
    old = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
