"""A stand-in that serves a few files, and requests to it."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from local.drive_standin import Standin, serve_in_thread
from tests.drive_requests import CONTENT, assertion, grant


@pytest.fixture(scope="module")
def standin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standin]:
    root = tmp_path_factory.mktemp("drive")
    (root / "feeds").mkdir()
    (root / "feeds" / "t.csv").write_bytes(CONTENT)
    (root / "feeds" / "it's a \\ file.csv").write_text("a\n")
    (root / "t.csv").write_text("step,customer\n")
    (root / "empty.csv").touch()
    (root / ".hidden").write_text("not served")
    with serve_in_thread(root, tmp_path_factory.mktemp("keys") / "key.json") as running:
        yield running


@pytest.fixture(scope="module")
def stranger(standin: Standin) -> Iterator[httpx.Client]:
    """Give a client without a token."""
    with httpx.Client(base_url=standin.url) as client:
        yield client


@pytest.fixture(scope="module")
def admitted(standin: Standin, stranger: httpx.Client) -> Iterator[httpx.Client]:
    """Give a client with a token."""
    token = grant(stranger, assertion(standin.credentials)).json()["access_token"]
    with httpx.Client(base_url=standin.url, headers={"Authorization": f"Bearer {token}"}) as client:
        yield client


@pytest.fixture
def drive(admitted: httpx.Client) -> httpx.Client:
    """Give a client with a token, on a stand-in without faults and counts."""
    admitted.delete("/standin/faults").raise_for_status()
    admitted.post("/standin/served/reset").raise_for_status()
    return admitted
