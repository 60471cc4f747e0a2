"""Rows that are taken many at once are those that the exact rules take one by one: chunks are the same, field for field."""

from __future__ import annotations

from unittest.mock import patch

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from feeds.chunks import Chunk, Position, cut_chunks
from feeds.plain_rows import PlainRows
from feeds.records import MAX_RECORD_BYTES, RecordSplitter, RowCheck
from feeds.source import COLUMNS, Header

REORDERED = ("amount", "extra", *reversed(COLUMNS[:8]), "fraud")
GOOD = {"customer": b"'C1093826151'", "merchant": b"'M348934600'", "amount": b"4.55"}
ODD = (
    *(
        b"",
        b"'",
        b"' '",
        b"''",
        b"'\xc3\xa9'",
        b"\xff",
        b"\xc3",
        b"\0",
        b"\r",
        b'"a"',
        b'"',
        b'"a,b"',
        b'"a\nb"',
        b",",
        b"\n",
        b"\r\n",
    ),
    *(b" 'C1' ", b" 7.10 ", b"'7'", b"-1", b"1.", b".5", b"1.234", b"1e3", b"12345678901234", b"1234567890123.99", b"\xd9\xa3"),
    *(b"x" * 190, b"x" * 200, b"x" * 256, b"x" * 257, b" " * 9 + b"1", b" " * 12 + b"1"),
)


@st.composite
def sources(draw: st.DrawFn, columns: tuple[str, ...]) -> bytes:
    """Good rows, some of whose fields, line ends or bytes are something else."""
    ending = draw(st.sampled_from([b"\n", b"\r\n"]))
    rows = []
    for _ in range(draw(st.integers(0, 40))):
        fields = [GOOD.get(name, b"'28007'") for name in columns]
        for _ in range(draw(st.sampled_from([0, 0, 0, 0, 1, 2]))):
            fields[draw(st.integers(0, len(fields) - 1))] = draw(st.sampled_from(ODD))
        rows.append(b",".join(fields[: draw(st.sampled_from([len(fields)] * 9 + [len(fields) - 1]))]) + ending)
    data = bytearray(b"".join(rows))
    for _ in range(draw(st.sampled_from([0, 0, 1, 3]))):
        if data:
            data[draw(st.integers(0, len(data) - 1))] = draw(st.one_of(st.integers(0, 255), st.sampled_from(b'\n\r",')))
    return bytes(data).removesuffix(draw(st.sampled_from([b"", b"\n"])))


def cut(data: bytes, columns: tuple[str, ...], chunk_size: int, limit: int | None, piece: int) -> tuple[list[Chunk], list[int]]:
    """Cut a source whose reads are of ``piece`` bytes at most, and note where they began."""
    reads = []

    def read(start: int, end: int) -> bytes:
        reads.append(start)
        return data[start:end]

    header = Header(b"", list(columns), 0, 1)
    with patch("feeds.chunks.BLOCK_BYTES", piece):
        return list(cut_chunks(read, len(data), header, Position(0, 1), chunk_size, limit)), reads


@pytest.mark.parametrize("columns", [COLUMNS, REORDERED], ids=["as in BankSim", "in another order"])
@given(st.data())
def test_chunks_are_those_of_the_exact_rules(columns: tuple[str, ...], data: st.DataObject) -> None:
    source = data.draw(sources(columns))
    sizes = (data.draw(st.integers(1, 50)), data.draw(st.none() | st.integers(1, 9)), data.draw(st.integers(1, 5_000)))
    found = cut(source, columns, *sizes)
    with patch.object(PlainRows, "run", lambda _self, _data, start, _limit: (0, start)):
        assert found == cut(source, columns, *sizes)


@given(st.binary(max_size=12), st.sampled_from(COLUMNS))
@example(b"\xc3\xa9", "customer")
@example(b"\r", "fraud")
def test_a_plain_row_is_a_good_record(field: bytes, name: str) -> None:
    row = b",".join(field if column == name else GOOD.get(column, b"'x'") for column in COLUMNS) + b"\n"
    rows, end = PlainRows(COLUMNS).run(row, 0, 1)
    splitter = RecordSplitter()
    splitter.add(row)
    splitter.finish()
    record = splitter.take_one()
    assert record is not None
    good = record.lines == 1 and RowCheck(COLUMNS).reason(record) is None
    assert (rows, end) == (0, 0) or (good and (rows, end) == (1, len(record.raw)))


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
@pytest.mark.parametrize("columns", [COLUMNS, REORDERED], ids=["as in BankSim", "in another order"])
def test_ordinary_rows_are_plain(columns: tuple[str, ...], ending: bytes) -> None:
    row = b",".join(GOOD.get(name, "'alimentación'".encode()) for name in columns) + ending
    assert PlainRows(columns).run(row * 1_000, 0, 950) == (950, 950 * len(row))
    assert PlainRows(columns).run(row * 1_000, 0, 2_000) == (1_000, 1_000 * len(row))


def test_a_row_of_many_fields_is_never_longer_than_a_row_may_be() -> None:
    columns = ("customer", "merchant", "amount", *("x" for _ in range(16_000)))
    row = b",".join([b"C1", b"M1", b"1", *(b"x" * 64 for _ in range(16_000))]) + b"\n"
    assert len(row) < MAX_RECORD_BYTES < 16_000 * 66
    for width in (40, 63, 64, 65, 66, 100):
        row = b",".join([b"C1", b"M1", b"1", *(b"x" * width for _ in range(16_000))]) + b"\n"
        rows, _ = PlainRows(columns).run(row, 0, 1)
        assert rows == 0 or len(row) <= MAX_RECORD_BYTES
