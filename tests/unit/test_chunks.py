"""Chunks: exact byte ranges, whatever the sizes of reads; rejected rows apart, with their line numbers."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.chunks import Chunk, Position, cut_chunks
from feeds.errors import SourceFormatError
from feeds.source import COLUMNS, read_header

HEADER = (",".join(COLUMNS) + "\n").encode()


def row(number: int, amount: str = "1.50") -> bytes:
    return f"0,'C{number}','4','M','28007','M1','28007','es_food',{amount},0\n".encode()


class Source:
    """Bytes that count how many of them were read."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.served = 0

    def read(self, start: int, end: int) -> bytes:
        assert 0 <= start < end <= len(self.data)
        self.served += end - start
        return self.data[start:end]


def cut(data: bytes, chunk_size: int, limit: int | None = None) -> list[Chunk]:
    source = Source(data)
    header = read_header(source.read, len(data), "t.csv", COLUMNS)
    start = Position(header.data_start, header.data_line)
    return list(cut_chunks(source.read, len(data), header, start, chunk_size, limit))


def test_chunks_are_the_source() -> None:
    data = HEADER + b"".join(row(n) for n in range(25))
    chunks = cut(data, 10)
    assert [c.rows for c in chunks] == [10, 10, 5]
    assert HEADER + b"".join(c.body for c in chunks) == data
    assert chunks[0].byte_start == len(HEADER)
    assert [c.byte_end for c in chunks[:-1]] == [c.byte_start for c in chunks[1:]]
    assert chunks[-1].byte_end == len(data)
    assert [(c.first_line, c.end_line) for c in chunks] == [(2, 12), (12, 22), (22, 27)]
    assert all(c.source_sha256 == hashlib.sha256(data[c.byte_start : c.byte_end]).hexdigest() for c in chunks)


def test_rejected_rows_are_named_and_kept_apart() -> None:
    data = HEADER + row(1) + b"\n" + row(2, "abc") + b"too,few\n" + row(3) + row(4, "-1")
    (chunk,) = cut(data, 100)
    assert chunk.body == row(1) + row(3)
    assert [(line, reason) for line, reason, _ in chunk.rejects] == [
        (4, "unreadable amount"),
        (5, "wrong number of fields"),
        (7, "negative amount"),
    ]
    assert chunk.reject_reasons == {"unreadable amount": 1, "wrong number of fields": 1, "negative amount": 1}
    assert chunk.rejects_csv().decode().splitlines()[2] == '5,wrong number of fields,"too,few"'
    assert chunk.landed_rows + len(chunk.rejects) == chunk.rows == 5


def test_blank_lines_at_the_end_belong_to_a_short_last_chunk_only() -> None:
    short = HEADER + row(1) + row(2) + b"\n\n"
    assert [c.byte_end for c in cut(short, 10)] == [len(short)]
    assert [c.byte_end for c in cut(short, 2)] == [len(short) - 2]


@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n"])
def test_last_row_without_line_end(ending: bytes) -> None:
    data = HEADER + row(1) + row(2).removesuffix(b"\n") + ending
    assert [c.landed_rows for c in cut(data, 10)] == [2]


@given(
    st.lists(st.sampled_from([row(1), row(22, "3.75"), row(3, "x"), b"\n", b'0,"C,\n1",,,,M,,,1.00,0\n']), max_size=60),
    st.integers(1, 9),
    st.integers(1, 5),
)
def test_cutting_in_several_runs_gives_the_same_chunks(rows: list[bytes], chunk_size: int, per_run: int) -> None:
    data = HEADER + b"".join(rows)
    source = Source(data)
    header = read_header(source.read, len(data), "t.csv", COLUMNS)
    whole = cut(data, chunk_size)
    position = Position(header.data_start, header.data_line)
    parts: list[Chunk] = []
    while run := list(cut_chunks(source.read, len(data), header, position, chunk_size, per_run)):
        parts.extend(run)
        last = run[-1]
        position = Position(last.byte_end, last.end_line, (last.byte_end - last.byte_start) / last.rows)
    assert parts == whole


def test_one_chunk_per_run_reads_little_more_than_the_chunks() -> None:
    data = HEADER + b"".join(row(n * 7919 % 100_000, f"{n % 977}.{n % 90 + 10}") for n in range(100_000))
    source = Source(data)
    header = read_header(source.read, len(data), "t.csv", COLUMNS)
    position = Position(header.data_start, header.data_line)
    while run := list(cut_chunks(source.read, len(data), header, position, 10_000, 1)):
        position = Position(run[-1].byte_end, run[-1].end_line, (run[-1].byte_end - run[-1].byte_start) / run[-1].rows)
    assert source.served <= 1.02 * len(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "an empty file"),
        (b"\xef\xbb\xbf\n", "an empty file"),
        (b"<!DOCTYPE html><html>\n<body>Sign in</body>\n", "is it a web page"),
        (b"\x1f\x8b\x08\x00\x00\n\x00\xff\n", "is it a web page, or compressed"),
        (b"step,customer,age\n1,2,3\n", "the header lacks gender, zipcodeOri, merchant"),
        (b",".join([HEADER.strip(), b"amount\n"]), "the header names amount more than once"),
        (b"x" * 20_000, "no line end in the first 16,384 bytes"),
    ],
)
def test_what_is_no_transactions_file(data: bytes, message: str) -> None:
    with pytest.raises(SourceFormatError, match=message):
        read_header(Source(data).read, len(data), "t.csv", COLUMNS)


def test_header_in_another_order_quoted_with_bom_and_further_columns() -> None:
    names = ["extra", *reversed(COLUMNS)]
    raw = ",".join(f"'{name}'" for name in names).encode() + b"\r\n"
    header = read_header(Source(b"\xef\xbb\xbf" + raw + b"1\n").read, len(raw) + 5, "t.csv", COLUMNS)
    assert header.columns == names
    assert header.raw == raw
    assert (header.data_start, header.data_line) == (3 + len(raw), 2)
