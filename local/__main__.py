"""The stack's command line: ``python -m local up | down | status``, behind ``make up``, ``make down`` and ``make status``.

``python -m local airflow ...`` is Airflow's own command line on the stack's Airflow.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path
from types import FrameType

import httpx

from local.airflow_service import DAG_ID, unpause_dag
from local.config import StackError
from local.stack import Stack


def main() -> int:
    """Run one command; the exit status says whether it succeeded."""
    parser = argparse.ArgumentParser(prog="python -m local", description="The embedded stack of this checkout.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command, text in (
        ("up", up, "start what does not run, and leave it running"),
        ("down", down, "stop everything; the data stay"),
        ("status", status, "show every program; exit status 1 when the stack is not up"),
    ):
        commands.add_parser(name, help=text, description=text).set_defaults(command=command)
    text = "Airflow's own commands, for this stack's Airflow: airflow dags trigger ..."
    commands.add_parser("airflow", help=text, description=text, add_help=False).set_defaults(command=None)
    arguments, words = parser.parse_known_args()
    if arguments.command is None:
        return airflow(Stack(), words)
    if words:
        parser.error(f"unrecognized arguments: {' '.join(words)}")
    signal.signal(signal.SIGTERM, _leave)  # as Ctrl-C: what was started is stopped again
    signal.signal(signal.SIGHUP, _leave)
    try:
        return int(arguments.command(Stack(say=_say)))
    except (StackError, httpx.HTTPError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def up(stack: Stack) -> int:
    """Start the stack, make the DAG ready, and say how to use it."""
    if stack.is_up():
        _say("the stack is already up")
    else:
        stack.start()
    with stack.airflow_client() as client:
        unpause_dag(client)
    addresses = stack.addresses
    _say(
        f"""
Airflow   {addresses.airflow_url}
login     {addresses.airflow_user}
password  {addresses.airflow_password}

What to click: open {addresses.airflow_url}/dags/{DAG_ID}, press Trigger, and fill in the form: the feed's name and its
files on Drive. Files put into {addresses.drive_root} are on Drive.
Stop it with: make down"""
    )
    return 0


def airflow(stack: Stack, words: list[str]) -> int:
    """Run a command of Airflow in the place of this process."""
    try:
        environment = stack.airflow_env()
    except StackError as error:
        print(error, file=sys.stderr)
        return 1
    executable = Path(sys.prefix) / "bin" / "airflow"
    os.execve(executable, [str(executable), *words], os.environ | environment)  # noqa: S606 -- no shell is wanted


def down(stack: Stack) -> int:
    """Stop the stack."""
    stack.stop()
    _say("the stack is down")
    return 0


def status(stack: Stack) -> int:
    """Show a table of the programs."""
    _say(f"{'service':<10} {'program':<22} {'state':<9} {'pid':>7} {'port':>6}  log")
    for line in stack.status():
        pid, port = line.pid or "-", line.port or "-"
        _say(f"{line.service:<10} {line.program:<22} {line.state:<9} {pid:>7} {port:>6}  {line.log}")
    is_up = stack.is_up()
    _say("the stack is up" if is_up else "the stack is not up")
    return 0 if is_up else 1


def _say(line: str) -> None:
    print(line, flush=True)


def _leave(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
