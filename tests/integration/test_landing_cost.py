"""What landing costs, counted: bytes and requests of Drive, statements of the ledger, blobs that are read back, memory."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from feeds import batch_size
from feeds.blobs import Blobs
from feeds.chunks import Position, cut_chunks
from feeds.drive import DriveHook, DriveRevision
from feeds.landing import land
from feeds.ledger import Ledger, Row
from feeds.source import COLUMNS, Header, read_header
from local.config import Addresses
from local.generate import generate
from tests.conftest import FeedFiles
from tests.integration.test_landing import all_applied

MakeFeed = Callable[..., FeedFiles]
CHUNKS = 60
PER_CHUNK = 1_000


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Give a feed of 60 chunks of 1,000 rows; its rows are as long as BankSim's."""
    folder = tmp_path_factory.mktemp("cost")
    generate(folder / "t.csv", folder / "i.csv", rows=CHUNKS * PER_CHUNK - 17, seed=3, customers=500)
    return (folder / "t.csv").read_bytes()


class CountingLedger(Ledger):
    """The ledger, which counts its statements by name."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        super().__init__(connection)
        self.count: Counter[str] = Counter()

    def rows(self, name: str, **values: Any) -> list[Row]:
        self.count[name] += 1
        return super().rows(name, **values)

    def run(self, name: str, **values: Any) -> int:
        self.count[name] += 1
        return super().run(name, **values)


class CountingDrive(DriveHook):
    """The Drive hook, which counts its requests."""

    def __init__(self) -> None:
        super().__init__()
        self.count: Counter[str] = Counter()

    def get_revision(self, file_id: str) -> DriveRevision:
        self.count["revision"] += 1
        return super().get_revision(file_id)

    def read_range(self, revision: DriveRevision, start: int, end: int) -> bytes:
        self.count["range"] += 1
        return super().read_range(revision, start, end)


@dataclass
class CountingBlobs:
    """Blob Storage, which keeps the names of the blobs that are read back."""

    blobs: Blobs
    read_back: list[str]

    def write(self, name: str, data: bytes) -> None:
        self.blobs.write(name, data)

    def sha256(self, name: str) -> str | None:
        self.read_back.append(name)
        return self.blobs.sha256(name)


def served(services: Addresses) -> int:
    counts = httpx.get(f"{services.drive_url}/standin/served").json().values()
    return int(next(entry["bytes"] for entry in counts if entry["name"] == "transactions.csv"))


@pytest.mark.parametrize("chunks_a_run", [1, CHUNKS], ids=["one chunk a run", "all at once"])
def test_drive_and_ledger_are_asked_for_little_more_than_the_chunks(
    services: Addresses,
    connection: psycopg.Connection[Any],
    blobs: Blobs,
    make_feed: MakeFeed,
    source: bytes,
    chunks_a_run: int,
) -> None:
    feed = make_feed(f"cost-{chunks_a_run}", source)
    ledger, drive = CountingLedger(connection), CountingDrive()
    httpx.post(f"{services.drive_url}/standin/served/reset").raise_for_status()
    for last in range(chunks_a_run, CHUNKS + 1, chunks_a_run):
        all_applied(connection)
        land(ledger, drive, blobs, feed.request(last=last, chunk_size=PER_CHUNK))
    assert served(services) <= 1.05 * len(source)  # chunks of 80 KB, topped up in pieces of 4 KB; with 10,000 rows it is 1.01
    runs = CHUNKS // chunks_a_run
    assert ledger.count["insert_chunk"] == ledger.count["select_chunks"] == CHUNKS
    assert sum(ledger.count.values()) <= 2 * CHUNKS + 10 * runs + 5  # the last: importance, once
    assert drive.count["range"] <= (4 * runs if runs > 1 else 4 + len(source) // (1 << 22) + 4)
    assert drive.count["revision"] <= drive.count["range"] + 2 + 2 * runs


def test_of_a_feed_that_has_fallen_behind_the_next_batch_is_read_back_only(
    ledger: Ledger, drive: DriveHook, blobs: Blobs, make_feed: MakeFeed, source: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_size, "MOST_CHUNKS", 7)
    feed = make_feed("behind", source)
    land(ledger, drive, blobs, feed.request(chunk_size=PER_CHUNK))
    counting = CountingBlobs(blobs, [])
    land(ledger, drive, counting, feed.request())
    assert len([name for name in counting.read_back if name.startswith("chunks/")]) == 7


def test_a_backfill_in_batches_reads_back_the_next_one_only(
    connection: psycopg.Connection[Any], ledger: Ledger, drive: DriveHook, blobs: Blobs, make_feed: MakeFeed, source: bytes
) -> None:
    feed = make_feed("batches", source)
    request = replace(feed.request(last=CHUNKS, chunk_size=PER_CHUNK), batch_chunks=7)
    land(ledger, drive, blobs, request)
    connection.execute("update ledger.feed set backfill_to = %s, backfill_chunks = 7", [CHUNKS])  # as open_batch keeps it
    for asked in (request, replace(feed.request(), scheduled=True)):
        counting = CountingBlobs(blobs, [])
        land(ledger, drive, counting, asked)
        assert [name for name in counting.read_back if name.startswith("chunks/")] == [
            f"chunks/batches/chunk-{k:06d}.csv" for k in range(1, 8)
        ]


def test_drive_reads_with_chunks_of_10_000_rows_are_the_file(tmp_path: Path) -> None:
    generate(tmp_path / "t.csv", tmp_path / "i.csv", rows=594_643, seed=1)
    size = (tmp_path / "t.csv").stat().st_size
    for limit in (1, None):
        served, position = 0, None
        with (tmp_path / "t.csv").open("rb") as file:

            def read(start: int, end: int) -> bytes:
                nonlocal served
                served += end - start
                file.seek(start)
                return file.read(end - start)

            header = read_header(read, size, "t.csv", COLUMNS)
            position = Position(header.data_start, header.data_line)
            while run := list(cut_chunks(read, size, header, position, 10_000, limit)):
                last = run[-1]
                position = Position(last.byte_end, last.end_line, (last.byte_end - last.byte_start) / last.rows)
        assert position.offset == size
        assert served <= 1.01 * size, f"limit {limit}"


@pytest.mark.parametrize("limit", [None, 600], ids=["the rest of the file", "as many as are due"])
def test_memory_does_not_grow_with_the_chunks(limit: int | None) -> None:
    """The peak of 600 chunks is that of 60. The source is made as it is read, and what is cut is dropped."""
    row = b"0,'C1093826151','4','M','28007','M348934600','28007','es_transportation',4.55,0\n"
    block = row * 4_096

    def read(start: int, end: int) -> bytes:
        offset = start % len(row)
        return (block * ((end - start) // len(block) + 2))[offset : offset + end - start]

    def peak(chunks: int) -> int:
        header = Header(b"", list(COLUMNS), 0, 1)
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        size = chunks * 10_000 * len(row)
        assert sum(c.rows for c in cut_chunks(read, size, header, Position(0, 1), 10_000, limit)) == chunks * 10_000
        return tracemalloc.get_traced_memory()[1] - before

    tracemalloc.start()
    try:
        peak(10)  # what is made once
        assert peak(600) <= 1.1 * peak(60)
        assert peak(60) <= 40 * 1_000_000
    finally:
        tracemalloc.stop()
