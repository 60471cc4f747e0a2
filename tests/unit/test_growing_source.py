"""A source that ended without a line end, and has grown: its last line may be followed by others, never go on itself."""

from __future__ import annotations

import pytest

from feeds.chunks import Position, cut_chunks
from feeds.drive import DriveRevision
from feeds.errors import SourceChangedError, SourceFormatError
from feeds.source import COLUMNS, Header, ReadRange, check_landed_part, read_header
from tests.random_feeds import HEADER

GOOD = b"0,'C1','4','F','28007','M1','28007','es_food',1.00,0"
BAD = b"0,'C1','4','F','28007','M1','28007','es_food',none,0"


def reader(source: bytes) -> ReadRange:
    return lambda start, end: source[start:end]


def header_of(source: bytes) -> Header:
    return read_header(reader(source), len(source), "t.csv", COLUMNS)


def rejected_lines(source: bytes, header: Header, start: Position) -> list[int]:
    chunks = cut_chunks(reader(source), len(source), header, start, 10, None)
    return [line for chunk in chunks for line, _, _ in chunk.rejects]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\n\n\n"])
@pytest.mark.parametrize("landed", [GOOD, BAD, b'0,"C\n1",4,F,28007,M1,28007,es_food,1.00,0'])
def test_lines_are_numbered_as_in_the_whole(landed: bytes, end: bytes) -> None:
    before = HEADER + landed
    header = header_of(before)
    (chunk,) = cut_chunks(reader(before), len(before), header, Position(header.data_start, header.data_line), 10, None)
    after = before + end + GOOD + b"\n" + BAD
    assert rejected_lines(after, header, Position(chunk.byte_end, chunk.end_line)) == [1 + after.count(b"\n")]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_lines_are_numbered_as_in_the_whole_behind_a_header_without_line_end(end: bytes) -> None:
    header = header_of(HEADER.rstrip())
    assert rejected_lines(HEADER.rstrip() + end + BAD, header, Position(header.data_start, header.data_line)) == [2]


def compare(before: bytes, after: bytes) -> None:
    """Compare as landing does when only the header of ``before`` has been read."""
    header = header_of(before)
    feed = {
        "feed": "f", "header": header.raw, "data_start": header.data_start, "position": header.data_start, "source_md5": "1",
    }  # fmt: skip
    check_landed_part(reader(after), feed, [], DriveRevision("id", "t.csv", len(after), "2", "r2", "text/csv"))


@pytest.mark.parametrize("before", [HEADER, HEADER.rstrip(), b"\xef\xbb\xbf\n" + HEADER.rstrip()])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_rows_may_follow_a_header(before: bytes, end: bytes) -> None:
    compare(before, before)
    compare(before, before.rstrip() + (end if before == before.rstrip() else b"\n") + GOOD)


@pytest.mark.parametrize("more", [b",extra\n", b"x", b" \n" + GOOD])
def test_a_header_that_goes_on_is_another_header(more: bytes) -> None:
    with pytest.raises(SourceChangedError, match=r"t\.csv changed .* its last line had no end when it landed, and goes on now"):
        compare(HEADER.rstrip(), HEADER.rstrip() + more)


def test_a_line_without_an_end_is_named_by_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("feeds.records.MAX_LINE_BYTES", 100)
    monkeypatch.setattr("feeds.chunks.BLOCK_BYTES", 64)
    source = HEADER + GOOD + b"\n" + b"x" * 1_000
    header = header_of(source[: len(HEADER)])
    start = Position(header.data_start, header.data_line)
    place = f"behind line 3, byte {len(HEADER) + len(GOOD) + 1}: a line is longer than 100 bytes"
    with pytest.raises(SourceFormatError, match=place):
        list(cut_chunks(reader(source), len(source), header, start, 10, None))
