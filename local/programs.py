"""What a program of a service is, and the environment that each gets; who runs it is another question (``local.supervision``)."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from local import LOOPBACK

_KEPT = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TMPDIR", "JAVA_HOME")


@dataclass(frozen=True)
class Program:
    """One process to run.

    Parameters
    ----------
    name
        Its name in status and log file.
    command
        Executable and arguments.
    environment
        What it needs besides :func:`clean_environment`.
    directory
        Its working directory.
    user
        The system user to run as; ``None``: the one who starts the stack.
    stop_signal
        The signal that asks it to end.
    stop_seconds
        How long it may take over that before it is killed.
    """

    name: str
    command: Sequence[str]
    directory: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    stop_signal: str = "TERM"
    stop_seconds: int = 10


def clean_environment() -> dict[str, str]:
    """Environment of a program, without what a caller's AIRFLOW_*, PYTHON* or SPARK_* variables would change."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    bin_dir = str(Path(sys.prefix) / "bin")
    path = [part for part in kept.get("PATH", os.defpath).split(os.pathsep) if part and part != bin_dir]
    return kept | {
        "PATH": os.pathsep.join([bin_dir, *path]),
        "NO_PROXY": LOOPBACK,
        "PYTHONUNBUFFERED": "1",
        # Those that rename themselves (Airflow's do) must leave their environment readable: the stack looks for its mark there.
        "SPT_NOENV": "1",
    }
