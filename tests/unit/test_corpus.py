"""The corpus of broken and odd sources, through the functions that land it: what comes out is what ``expected.toml`` says."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from unittest.mock import patch

import pytest

from feeds import errors
from feeds.chunks import Chunk, Position, cut_chunks
from feeds.importance import COLUMNS as IMPORTANCE_COLUMNS
from feeds.importance import cut_parts
from feeds.records import clean
from feeds.source import COLUMNS, Header, read_header
from tests.corpus.cases import FOLDER, IMPORTANCE, TRANSACTIONS, Case
from tests.corpus.generated import GENERATED
from tests.rows import assert_exact, rows_of

READABLE = [case for case in TRANSACTIONS if not case.error]
HUGE = 1_000_000


def name(case: Case) -> str:
    return case.name


def header_of(source: bytes, what: str, needed: Sequence[str] = COLUMNS) -> Header:
    return read_header(lambda start, end: source[start:end], len(source), what, needed)


def cut(source: bytes, header: Header, chunk_size: int, block: int = 1 << 22, per_run: int | None = None) -> list[Chunk]:
    """Cut a source as landing does: read in blocks, ``per_run`` chunks at a time."""
    position = Position(header.data_start, header.data_line)
    chunks: list[Chunk] = []
    with patch("feeds.chunks.BLOCK_BYTES", block):
        while run := list(cut_chunks(lambda start, end: source[start:end], len(source), header, position, chunk_size, per_run)):
            chunks += run
            position = Position(run[-1].byte_end, run[-1].end_line, (run[-1].byte_end - run[-1].byte_start) / run[-1].rows)
    return chunks


def test_the_list_and_the_files_agree() -> None:
    for kind, cases, generated in (("transactions", TRANSACTIONS, set(GENERATED)), ("importance", IMPORTANCE, set())):
        files = {path.stem for path in (FOLDER / kind).iterdir()}
        assert not files & generated
        assert [case.name for case in cases if case.name not in files | generated] == []
        assert len(cases) == len(files | generated)


@pytest.mark.parametrize("case", [case for case in TRANSACTIONS if case.error], ids=name)
def test_no_transactions_file(case: Case) -> None:
    with pytest.raises(getattr(errors, case.error[0])) as refused:
        header_of(case.source, f"{case.name}.csv")
    assert [piece for piece in case.error[1:] if piece not in str(refused.value)] == []


@pytest.mark.parametrize("chunk_size", [1, 2, 1000])
@pytest.mark.parametrize("case", READABLE, ids=name)
def test_rows_land_or_are_rejected(case: Case, chunk_size: int) -> None:
    source = case.source
    header = header_of(source, case.name)
    whole = cut(source, header, chunk_size)
    assert_exact(source, header.data_start, header.data_line, chunk_size, whole)
    assert sum(chunk.landed_rows for chunk in whole) == case.landed
    assert [f"line {line}: {reason}" for chunk in whole for line, reason, _ in chunk.rejects] == case.rejected
    assert case.landed + len(case.rejected) == len(rows_of(source, header.data_start)) == sum(chunk.rows for chunk in whole)
    if case.customers is not None:
        assert [customer for chunk in whole for customer in customers_of(header, chunk)] == case.customers
    for per_run, block in ((None, 1), (1, 1), (1, 7), (2, 64), (1, 1 << 22)):
        if block > 64 or len(source) < HUGE:
            assert cut(source, header, chunk_size, block, per_run) == whole


def customers_of(header: Header, chunk: Chunk) -> list[str]:
    rows = csv.reader(io.StringIO(chunk.body.decode(), newline=""), strict=True)
    return [clean(row[header.columns.index("customer")]) for row in rows if row]


@contextmanager
def long_fields() -> Iterator[None]:
    """Let the csv module read fields of any length."""
    limit = csv.field_size_limit(1 << 30)
    try:
        yield
    finally:
        csv.field_size_limit(limit)


@pytest.mark.parametrize("case", READABLE, ids=name)
def test_rejected_rows_can_be_read_where_they_are_kept(case: Case) -> None:
    source = case.source
    header = header_of(source, case.name)
    lines = {row.line: source[row.start : row.end] for row in rows_of(source, header.data_start, header.data_line)}
    for chunk in cut(source, header, 1000):
        with long_fields():
            head, *kept = csv.reader(io.StringIO(chunk.rejects_csv().decode(), newline=""))
        assert head == ["line", "reason", "row"]
        assert [f"line {line}: {reason}" for line, reason, _ in kept] == case.rejected
        for line, _, row in kept:
            assert row == lines[int(line)].decode(errors="backslashreplace").rstrip("\r\n")


@pytest.mark.parametrize("case", IMPORTANCE, ids=name)
def test_importance(case: Case) -> None:
    source = case.source
    if case.error and case.error[0] == "SourceFormatError":
        with pytest.raises(errors.SourceFormatError) as refused:
            list(cut_parts(lambda start, end: source[start:end], len(source), "CustomerImportance.csv"))
        assert [piece for piece in case.error[1:] if piece not in str(refused.value)] == []
        return
    header = header_of(source, case.name, IMPORTANCE_COLUMNS)
    for part_bytes in (1, 100, 1 << 24):
        parts = list(cut_parts(lambda start, end: source[start:end], len(source), case.name, part_bytes))
        assert source[header.data_start :] == b"".join(part.removeprefix(header.raw) for part in parts)
        assert all(part.startswith(header.raw) for part in parts)
