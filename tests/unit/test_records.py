"""The record splitter and the row check: the csv module says what a record is, and no byte is ever lost."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.errors import SourceFormatError
from feeds.records import MAX_LINE_BYTES, MAX_RECORD_BYTES, MAX_SPREAD_BYTES, Record, RecordSplitter, RowCheck

COLUMNS = ["customer", "merchant", "amount"]


def split(data: bytes, piece: int = 1 << 16) -> tuple[list[Record], bytes]:
    splitter = RecordSplitter()
    records: list[Record] = []
    for start in range(0, len(data), piece):
        splitter.add(data[start : start + piece])
        records.extend(splitter.take(1 << 30))
    splitter.finish()
    records.extend(splitter.take(1 << 30))
    return records, splitter.take_blank_tail()[0]


@given(st.lists(st.sampled_from(list('a,"\n\r\0é\\ ')), max_size=60).map("".join), st.integers(1, 70))
def test_no_byte_is_lost_and_sizes_of_pieces_do_not_matter(text: str, piece: int) -> None:
    data = text.encode()
    records, tail = split(data, piece)
    assert b"".join(r.raw for r in records) + tail == data
    assert records == split(data)[0]
    assert sum(r.lines for r in records) == b"".join(r.raw for r in records).count(b"\n")


@given(st.lists(st.lists(st.text(st.sampled_from(list('ab,"\n é')), max_size=6), min_size=2, max_size=4), max_size=8))
def test_agrees_with_the_csv_module_on_what_it_writes(rows: list[list[str]]) -> None:
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows(rows)
    records, tail = split(written.getvalue().encode(), 7)
    assert [r.fields for r in records] == rows
    assert tail == b""


@given(st.binary(max_size=300), st.integers(1, 50))
def test_any_bytes(data: bytes, piece: int) -> None:
    records, tail = split(data, piece)
    assert b"".join(r.raw for r in records) + tail == data
    assert records == split(data)[0]


@given(st.lists(st.sampled_from(list('a,"\n')), max_size=60).map("".join))
def test_every_border_is_a_border_for_the_csv_module(text: str) -> None:
    """Cut anywhere between records, the csv module reads the parts as it reads the whole."""
    try:
        whole = [row for row in csv.reader(io.StringIO(text), strict=True) if row]
    except csv.Error:
        return
    records, _ = split(text.encode())
    assert [row for r in records for row in csv.reader(io.StringIO(r.raw.decode()), strict=True) if row] == whole


def test_blank_lines_belong_to_the_record_behind_them_or_to_the_tail() -> None:
    records, tail = split(b"\n\r\na,b\n\nc,d\r\n\n")
    assert [r.raw for r in records] == [b"\n\r\na,b\n", b"\nc,d\r\n"]
    assert [(r.lines, r.blank_lines) for r in records] == [(3, 2), (2, 1)]
    assert tail == b"\n"


def test_a_stray_quote_costs_its_own_line_only() -> None:
    records, _ = split(b'"a,b\nc,d\ne,f\n')
    assert [(r.fields, r.problem) for r in records] == [([], "not valid CSV"), (["c", "d"], None), (["e", "f"], None)]


def test_a_row_over_several_lines_is_read_up_to_its_limit() -> None:
    longest = b'"' + b"x\n" * (MAX_SPREAD_BYTES // 2 - 2) + b'x"\n'
    assert len(longest) == MAX_SPREAD_BYTES
    assert [r.problem for r in split(longest)[0]] == [None]
    records, _ = split(b'"' + b"x\n" + longest[1:])
    assert [r.problem for r in records[:2]] == ["not valid CSV", None], (
        "its first line, and the rows behind it are read by themselves"
    )


def test_lines_that_leave_a_quote_open_are_read_on_a_little_only() -> None:
    line = b'0","C1","45.60","0\n'

    class Counting(RecordSplitter):
        read = 0

        def _line(self, start: int) -> bytes:
            line = super()._line(start)
            self.read += len(line)
            return line

    splitter = Counting()
    splitter.add(line * 90_000)  # some 1.7 MB
    assert {record.problem for record in splitter.take(100)} == {"not valid CSV"}
    assert splitter.read <= 100 * (MAX_SPREAD_BYTES + 3 * len(line))


def test_a_row_too_long_is_one_row() -> None:
    records, _ = split(b"a," + b"x" * (3 * MAX_RECORD_BYTES) + b"\nc,d\n", 100_000)
    assert [(r.fields, r.problem) for r in records] == [([], "row too long"), (["c", "d"], None)]


def test_a_file_without_line_ends_is_refused_before_it_fills_the_memory() -> None:
    splitter = RecordSplitter()
    splitter.add(b"x" * MAX_LINE_BYTES)
    with pytest.raises(SourceFormatError, match="a line is longer than"):
        splitter.add(b"x")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"'C1','M1',12.50\n", None),
        (b"C1,M1,0\r\n", None),
        (b" 'C1' ,M1, 7.1", None),
        (b"'C,1',M1,7.1", "wrong number of fields"),
        (b'"C,1",M1,7.1', None),
        (b"C1,M1\n", "wrong number of fields"),
        (b"'',M1,1.00\n", "empty customer"),
        (b"C1, ,1.00\n", "empty merchant"),
        (b"C1," + b"M" * 257 + b",1.00\n", "merchant too long"),
        (b"C1,M1,\n", "unreadable amount"),
        (b"C1,M1,.\n", "unreadable amount"),
        (b"C1,M1,NaN\n", "unreadable amount"),
        (b"C1,M1,inf\n", "unreadable amount"),
        (b"C1,M1,1e3\n", "unreadable amount"),
        ("C1,M1,٣\n".encode(), "unreadable amount"),
        (b'C1,M1,"1,234.50"\n', "unreadable amount"),
        (b"C1,M1,-5\n", "negative amount"),
        (b"C1,M1,5.001\n", "amount has more than two decimals"),
        (b"C1,M1,10000000000000\n", "amount too large"),
        (b"C1,M\xff,1.00\n", "not UTF-8"),
        (b"C1,M\0,1.00\n", "NUL byte"),
        (b"C1,M\r1,1.00\n", "not valid CSV"),
        (b'"C1"x,M1,1.00\n', "not valid CSV"),
    ],
)
def test_row_check(line: bytes, reason: str | None) -> None:
    records, _ = split(line)
    assert [RowCheck(COLUMNS).reason(r) for r in records] == [reason]
