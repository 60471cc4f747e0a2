"""Each service of a stack has a port of its own, also before it first listens there."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from local import ports
from local.config import StackError
from local.ports import pick_airflow_port, pick_ports


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """The only two ports that there are to pick from, both free."""
    first = next(port for port in ports._CANDIDATES if ports.is_free(port) and ports.is_free(port + 1))
    monkeypatch.setattr(ports, "_CANDIDATES", range(first, first + 2))
    return first, first + 1


def test_ports_differ(two: tuple[int, int]) -> None:
    assert set(pick_ports({}, ["azurite", "drive"]).values()) == set(two)


def test_a_port_is_kept_while_it_is_free(taken: int, two: tuple[int, int]) -> None:
    assert pick_ports({"azurite": two[0], "drive": taken}, ["azurite", "drive"]) == {"azurite": two[0], "drive": two[1]}


def test_a_port_stored_for_two_is_given_to_one(two: tuple[int, int]) -> None:
    picked = pick_ports({"azurite": two[0], "airflow": two[0]}, ["azurite"])
    assert picked == {"azurite": two[1]}


def test_airflow_is_asked_for_a_port(monkeypatch: pytest.MonkeyPatch, taken: int, two: tuple[int, int]) -> None:
    monkeypatch.setenv("AIRFLOW_PORT", str(two[0]))
    assert pick_airflow_port({"airflow": two[1]}, prefer_default=True) == two[0]
    monkeypatch.setenv("AIRFLOW_PORT", str(taken))
    with pytest.raises(StackError, match=f"port {taken} .AIRFLOW_PORT. is taken"):
        pick_airflow_port({}, prefer_default=True)
    monkeypatch.setenv("AIRFLOW_PORT", "http")
    with pytest.raises(StackError, match="AIRFLOW_PORT"):
        pick_airflow_port({}, prefer_default=True)


@pytest.mark.parametrize("stored", [None, 0, 1])
def test_airflow_is_not_given_what_is_picked_for_another(
    monkeypatch: pytest.MonkeyPatch, two: tuple[int, int], stored: int | None
) -> None:
    monkeypatch.delenv("AIRFLOW_PORT", raising=False)
    known = {"azurite": two[0]} | ({} if stored is None else {"airflow": two[stored]})
    assert pick_airflow_port(known, prefer_default=False) == two[1]


def test_airflow_has_another_port_where_its_own_is_taken(monkeypatch: pytest.MonkeyPatch, taken: int) -> None:
    monkeypatch.delenv("AIRFLOW_PORT", raising=False)
    assert pick_airflow_port({"airflow": taken}, prefer_default=False) != taken
