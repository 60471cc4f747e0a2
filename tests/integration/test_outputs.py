"""`make outputs` writes what Blob Storage has of a feed."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from feeds.blobs import Blobs
from feeds.drive import DriveHook
from feeds.landing import land
from feeds.ledger import Ledger
from local.config import Addresses
from local.output_zip import write_zip
from local.run import RunError
from tests.conftest import FeedFiles
from tests.integration.test_landing import HEADER, rows


@pytest.fixture
def feed(ledger: Ledger, drive: DriveHook, blobs: Blobs, make_feed: Callable[..., FeedFiles]) -> str:
    """Give a feed whose only output are rejected rows."""
    land(ledger, drive, blobs, make_feed("zipped", HEADER + rows(150) + b"too,few\n").request(chunk_size=100))
    return "zipped"


def test_rejected_rows_are_output_too(services: Addresses, blobs: Blobs, feed: str, tmp_path: Path) -> None:
    out = tmp_path / "new" / "feed.zip"
    assert write_zip(services, feed, out) == out.stat().st_size
    with zipfile.ZipFile(out) as archive:
        assert archive.namelist() == ["rejects/chunk-000002.csv"]
        assert archive.read("rejects/chunk-000002.csv") == blobs.read("rejects/zipped/chunk-000002.csv")
    assert [path.name for path in out.parent.iterdir()] == ["feed.zip"]


def test_a_feed_that_is_not_there_is_named_and_nothing_is_written(services: Addresses, feed: str, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="FEED other: the ledger has no such feed; the newest ones are: zipped"):
        write_zip(services, "other", tmp_path / "feed.zip")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_blob_leaves_no_half_zip(services: Addresses, blobs: Blobs, feed: str, tmp_path: Path) -> None:
    blobs._hook.delete_file(blobs.container, "rejects/zipped/chunk-000002.csv")
    with pytest.raises(RunError, match="cannot be read from Blob Storage"):
        write_zip(services, feed, tmp_path / "feed.zip")
    assert list(tmp_path.iterdir()) == []
