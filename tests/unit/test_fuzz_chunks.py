"""Any bytes, read in ranges of any size, against the ``csv`` module: chunks are the source, and their borders those of rows."""

from __future__ import annotations

from contextlib import ExitStack
from itertools import cycle, islice
from unittest.mock import patch

from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from feeds.chunks import Chunk, Position, _Reader, cut_chunks
from feeds.records import Record, RecordSplitter
from feeds.source import Header
from tests.rows import assert_exact, rows_of

LF = b"\n"
COLUMNS = ["customer", "merchant", "amount"]

ROWS = [b"C1,M1,1\n", b"C2,M1,2.5\r\n", b'"C\n3",M1,3\n', b'C4,"\r\n\nM1",4\r\n', b'"C""5","M,1",5\n', b'C6,M1,"6\n"\n']
WHAT_ENDS_A_ROW = [b'"', b'""', b'"\n', b'",', b'\n"', b",", b"\n", b"\r", b"\r\n"]
OTHERS = [b"'", b" ", b"C", b"1", b".", b"\0", b"\xff", "é".encode()]
SOURCES = st.lists(st.sampled_from(ROWS + WHAT_ENDS_A_ROW + OTHERS), max_size=40).map(b"".join) | st.binary(max_size=120)


def cut(source: bytes, chunk_size: int, ranges: list[int], per_run: int | None = None) -> list[Chunk]:
    """Cut a source whose ranges have these sizes, in turn, over and over; ``per_run`` chunks at a time."""
    # At most as many reads as bytes in each run, and as many runs as bytes: whoever reads more does not come to an end.
    sizes = islice(cycle(ranges), (len(source) + 2) ** 2)
    header, position = Header(b"", COLUMNS, 0, 1), Position(0, 1)
    chunks: list[Chunk] = []

    def read(start: int, end: int) -> bytes:
        assert 0 <= start < end <= len(source)
        return source[start:end]

    with ExitStack() as patches:
        patches.enter_context(patch.object(_Reader, "_guess", lambda _self, _rows: next(sizes)))
        patches.enter_context(patch("feeds.chunks._LEAST_READ", 1))
        while run := list(cut_chunks(read, len(source), header, position, chunk_size, per_run)):
            chunks += run
            position = Position(run[-1].byte_end, run[-1].end_line)
    return chunks


RANGES = st.lists(st.integers(1, 40), min_size=1, max_size=6)


@given(SOURCES, RANGES, st.integers(1, 5), st.none() | st.integers(1, 3))
@example(b'"a\nb",M1,1\n"', [3], 1, None)
@example(b'\r\n\r"\n"', [1], 1, 1)
@example(b'"\n\r"C\n3",M1,3\n', [1], 1, 1)
@settings(max_examples=2_000)
def test_chunks_are_the_source_and_their_borders_are_those_of_rows(
    source: bytes, ranges: list[int], chunk_size: int, per_run: int | None
) -> None:
    chunks = cut(source, chunk_size, ranges, per_run)
    assert_exact(source, 0, 1, chunk_size, chunks)
    assert chunks == cut(source, chunk_size, [len(source) + 1])
    event(f"rejected rows: {any(chunk.rejects for chunk in chunks)}")
    event(f"good rows over several lines: {any(chunk.body.count(LF) > chunk.landed_rows > 0 for chunk in chunks)}")


@given(SOURCES, RANGES, st.integers(1, 30), st.integers(1, 30))
@settings(max_examples=1_000)
def test_a_row_that_is_too_long_ends_with_its_first_line_however_it_is_read(
    source: bytes, ranges: list[int], longest: int, spread: int
) -> None:
    spread = min(spread, longest)
    with patch("feeds.records.MAX_RECORD_BYTES", longest), patch("feeds.records.MAX_SPREAD_BYTES", spread):
        splitter, at = RecordSplitter(), 0
        records: list[Record] = []
        for size in ranges * (len(source) + 1):
            splitter.add(source[at : at + size])
            at += size
            records += splitter.take(1 << 30)
        splitter.finish()
        records += splitter.take(1 << 30)
    expected = rows_of(source, longest=longest, spread=spread)
    ends = [sum(len(record.raw) for record in records[: count + 1]) for count in range(len(records))]
    assert ends == [row.end for row in expected]
    first_lines = [source[row.start : row.end].partition(LF) for row in expected]
    assert [record.problem == "row too long" for record in records] == [
        len(line) + len(end) > longest for line, end, _ in first_lines
    ]
