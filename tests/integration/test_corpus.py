"""The corpus of broken and odd sources, landed for real: from the Drive stand-in, in Azurite and in the ledger."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator

import pytest

from feeds import errors
from feeds.blobs import Blobs
from feeds.chunks import Chunk
from feeds.drive import DriveHook
from feeds.landing import land
from feeds.ledger import Ledger, Row
from feeds.source import COLUMNS
from local.config import Addresses
from tests.conftest import IMPORTANCE as GOOD_IMPORTANCE
from tests.conftest import FeedFiles, empty_ledger, files_on_drive
from tests.corpus.cases import IMPORTANCE, TRANSACTIONS, Case
from tests.corpus.generated import row
from tests.random_feeds import HEADER
from tests.rows import assert_exact, rows_of

CHUNK_SIZE = 2


class Landing:
    """Lands feeds, all of them in one ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger, self.drive, self.blobs = ledger, DriveHook(), Blobs()

    def land(self, files: FeedFiles) -> None:
        land(self.ledger, self.drive, self.blobs, files.request(chunk_size=CHUNK_SIZE))

    def feed(self, name: str) -> Row | None:
        return self.ledger.row("select_feed", feed=name)

    def chunks(self, feed: Row, source: bytes) -> list[Chunk]:
        """Give the landed chunks, put together from the ledger and the blobs."""
        landed = self.ledger.rows("select_chunks", feed_id=feed["feed_id"], first_chunk=1, last_chunk=feed["landed"])
        assert [chunk["chunk"] for chunk in landed] == list(range(1, len(landed) + 1))
        return [self._chunk(feed, chunk, source) for chunk in landed]

    def _chunk(self, feed: Row, landed: Row, source: bytes) -> Chunk:
        blob = self.blobs.read(landed["blob_name"])
        assert hashlib.sha256(blob).hexdigest() == landed["blob_sha256"]
        header = bytes(feed["header"])
        assert blob.startswith(header)
        chunk = Chunk(
            landed["byte_start"], landed["byte_end"], landed["first_line"], landed["end_line"], landed["landed_rows"],
            source_sha256=landed["source_sha256"], body=blob.removeprefix(header),
        )  # fmt: skip
        if landed["rejects_blob"] is not None:
            chunk.rejects = self._rejects(landed, {row.line: source[row.start : row.end] for row in rows_of(source)})
        assert chunk.reject_reasons == landed["reject_reasons"]
        assert len(chunk.rejects) == landed["rejected_rows"]
        return chunk

    def _rejects(self, landed: Row, lines: dict[int, bytes]) -> list[tuple[int, str, bytes]]:
        limit = csv.field_size_limit(1 << 30)
        try:
            head, *kept = csv.reader(io.StringIO(self.blobs.read(landed["rejects_blob"]).decode(), newline=""))
        finally:
            csv.field_size_limit(limit)
        assert head == ["line", "reason", "row"]
        rejects = [(int(line), reason, lines[int(line)]) for line, reason, _ in kept]
        assert [text for _, _, text in kept] == [
            raw.decode(errors="backslashreplace").rstrip("\r\n") for _, _, raw in rejects
        ]  # fmt: skip
        return rejects


@pytest.fixture(scope="module")
def landing(services: Addresses) -> Iterator[Landing]:
    with empty_ledger(services) as connection:
        yield Landing(Ledger(connection))


def feed_name(case: Case) -> str:
    return case.name.replace("_", "-")


def assert_as_expected(landing: Landing, case: Case, source: bytes) -> None:
    feed = landing.feed(feed_name(case))
    assert feed is not None
    chunks = landing.chunks(feed, source)
    assert_exact(source, feed["data_start"], feed["data_line"], CHUNK_SIZE, chunks)
    assert sum(chunk.landed_rows for chunk in chunks) == case.landed
    assert [f"line {line}: {reason}" for chunk in chunks for line, reason, _ in chunk.rejects] == case.rejected
    assert feed["landed_to_end"]


@pytest.mark.parametrize("case", TRANSACTIONS, ids=feed_name)
def test_transactions(services: Addresses, landing: Landing, case: Case) -> None:
    source = case.source
    with files_on_drive(services, feed_name(case), source) as files:
        if not case.error:
            landing.land(files)
            assert_as_expected(landing, case, source)
            return
        with pytest.raises(getattr(errors, case.error[0])) as refused:
            landing.land(files)
        pieces = [piece.replace(f"{case.name}.csv", "transactions.csv") for piece in case.error[1:]]
        assert [piece for piece in pieces if piece not in str(refused.value)] == []
        assert landing.feed(feed_name(case)) is None
        assert [name for kind in ("chunks", "rejects") for name in landing.blobs.names(f"{kind}/{feed_name(case)}/")] == []


def test_a_quoted_line_end_lies_on_borders_of_ranges_and_chunks(
    services: Addresses, landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = next(case for case in TRANSACTIONS if case.name == "quoted_newlines_straddle")
    source, ranges = case.source, 21
    monkeypatch.setattr("feeds.chunks.BLOCK_BYTES", ranges)
    borders = range(source.index(b"\n") + 1 + ranges, len(source), ranges)
    inside = [at for at in borders if source[at - 1 : at + 1] in (b"\r\n", b"\n\n", b"C\n", b"M\n")]
    assert inside, "a range ends right before a quoted line end"
    with files_on_drive(services, "straddle-on-drive", source) as files:
        landing.land(files)
        feed = landing.feed("straddle-on-drive")
        assert feed is not None
        chunks = landing.chunks(feed, source)
    assert_exact(source, feed["data_start"], feed["data_line"], CHUNK_SIZE, chunks)
    assert sum(chunk.landed_rows for chunk in chunks) == case.landed
    assert all(chunk.body.endswith(b'"0\n"\n') for chunk in chunks), "a chunk ends with a row whose line end is quoted"


def test_a_header_without_line_end_stays_apart_from_the_rows_that_follow(services: Addresses, landing: Landing) -> None:
    source = HEADER.rstrip() + b"\n" + row(amount=b"none") + row() * 4
    with files_on_drive(services, "header-grows", HEADER.rstrip()) as files:
        landing.land(files)
        files.transactions.write_bytes(source)
        landing.land(files)
    feed = landing.feed("header-grows")
    assert feed is not None
    landed = landing.ledger.rows("select_chunks", feed_id=feed["feed_id"], first_chunk=1, last_chunk=feed["landed"])
    assert [(chunk["landed_rows"], chunk["rejected_rows"]) for chunk in landed] == [(1, 1), (2, 0), (1, 0)]
    for chunk in landed:
        head, *rows = rows_of(landing.blobs.read(chunk["blob_name"]))
        assert head.fields == list(COLUMNS)
        assert [len(found.fields or []) for found in rows] == [len(COLUMNS)] * chunk["landed_rows"]
    assert landing.blobs.read(landed[0]["rejects_blob"]).splitlines()[1].startswith(b"2,unreadable amount")


def test_a_carriage_return_alone_is_a_row_that_is_left(services: Addresses, landing: Landing) -> None:
    with files_on_drive(services, "one-byte-left", HEADER + row() * 2 + b"\r") as files:
        for last, ended, rows in ((1, False, (2, 0)), (2, True, (0, 1))):
            land(landing.ledger, landing.drive, landing.blobs, files.request(last=last, chunk_size=2))
            feed = landing.feed("one-byte-left")
            assert feed is not None
            assert (feed["landed"], feed["landed_to_end"]) == (last, ended)
            (chunk,) = landing.ledger.rows("select_chunks", feed_id=feed["feed_id"], first_chunk=last, last_chunk=last)
            assert (chunk["landed_rows"], chunk["rejected_rows"]) == rows


@pytest.mark.parametrize("case", [case for case in IMPORTANCE if case.error[:1] == ["SourceFormatError"]], ids=feed_name)
def test_importance_that_is_none_lands_nothing_until_it_is_replaced(services: Addresses, landing: Landing, case: Case) -> None:
    name = f"importance-{feed_name(case)}"
    with files_on_drive(services, name, HEADER + row() * 3, case.source) as files:
        with pytest.raises(errors.SourceFormatError) as refused:
            landing.land(files)
        assert [piece for piece in case.error[1:] if piece not in str(refused.value)] == []
        assert (landing.feed(name) or {})["landed"] == 0
        assert landing.blobs.names(f"chunks/{name}/") == []
        (files.folder / "CustomerImportance.csv").write_bytes(GOOD_IMPORTANCE)
        landing.land(files)
        assert (landing.feed(name) or {})["landed"] == 2
