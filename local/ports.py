"""Picks TCP ports on the loopback interface."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Iterable, Mapping

from local.config import StackError

DEFAULT_AIRFLOW_PORT = 8080

# Below the range from which Linux takes the ports of outgoing connections: one of those must not take ours while we are down.
_CANDIDATES = range(20_000, 32_000)


def is_free(port: int) -> bool:
    """Say whether nobody listens on a port of 127.0.0.1."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # Connections of our own last run that still linger do not count; a listener does.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def pick_ports(stored: Mapping[str, int], names: Iterable[str]) -> dict[str, int]:
    """Give each name its stored port, or a free one that is stored for no other, where that is taken or there is none."""
    picked: dict[str, int] = {}
    for name in names:
        port = stored.get(name)
        taken = set(picked.values()) | {p for other, p in stored.items() if other != name}
        picked[name] = port if port is not None and port not in taken and is_free(port) else _free_port(taken)
    return picked


def pick_airflow_port(stored: Mapping[str, int], *, prefer_default: bool) -> int:
    """Pick the port of Airflow's UI: ``AIRFLOW_PORT``, else 8080, else the stored one, else a free one that no service has.

    Raises
    ------
    StackError
        ``AIRFLOW_PORT`` is not a port, or is taken.
    """
    asked = os.environ.get("AIRFLOW_PORT")
    if asked:
        if not asked.isdecimal() or not 0 < int(asked) < 65536:
            raise StackError(f"AIRFLOW_PORT is {asked!r}; it is a port number")
        if not is_free(int(asked)):
            raise StackError(f"port {asked} (AIRFLOW_PORT) is taken by another program; choose another one")
        return int(asked)
    if prefer_default and is_free(DEFAULT_AIRFLOW_PORT):
        return DEFAULT_AIRFLOW_PORT
    return pick_ports(stored, ["airflow"])["airflow"]


def _free_port(taken: set[int]) -> int:
    for port in random.sample(_CANDIDATES, len(_CANDIDATES)):
        if port not in taken and is_free(port):
            return port
    raise StackError(f"no free port between {_CANDIDATES.start} and {_CANDIDATES.stop}")
