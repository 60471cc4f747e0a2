"""What the rows of a source are, by Python's ``csv`` module alone, and whether chunks are those rows, byte for byte.

Shares no code with landing: the whole source is at hand here, so nothing has to be done in pieces.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from feeds.chunks import Chunk


class SourceRow(NamedTuple):
    """A row: the bytes ``[start, end)`` of the source, its first line, its fields as Latin-1; ``None``: not valid CSV."""

    start: int
    end: int
    line: int
    fields: list[str] | None


def rows_of(source: bytes, start: int = 0, line: int = 1, longest: int = 1 << 20, spread: int = 1 << 16) -> list[SourceRow]:
    """Give the rows from an offset on.

    One that is not valid CSV, or whose first line is longer than ``longest`` bytes, ends with its first line; so does one over
    several lines of more than ``spread`` bytes.
    """
    lines = re.findall(rb"[^\n]*\n|[^\n]+", source[start:])
    rows, at = [], 0
    while at < len(lines):
        if lines[at] in (b"\n", b"\r\n"):
            taken, fields = 1, None
        else:
            taken, fields = _first_row(lines, at, longest, spread)
            size = sum(map(len, lines[at : at + taken]))
            rows.append(SourceRow(start, start + size, line + at, fields))
        start += sum(map(len, lines[at : at + taken]))
        at += taken
    return rows


def _first_row(lines: Sequence[bytes], first: int, longest: int, spread: int) -> tuple[int, list[str] | None]:
    at, size = first, 0

    def read() -> Iterator[str]:
        nonlocal at, size
        while at < len(lines) and size + len(lines[at]) <= (longest if at == first else spread):
            size += len(lines[at])
            at += 1
            yield lines[at - 1].decode("latin-1")

    try:
        fields = next(csv.reader(read(), strict=True))
    except (csv.Error, StopIteration):
        return 1, None
    return at - first, fields


def assert_exact(source: bytes, data_start: int, data_line: int, chunk_size: int, chunks: Sequence[Chunk]) -> None:
    """Assert that the chunks are all rows of the source, in order, each landed or rejected, and every byte as it was."""
    rows = iter(rows_of(source, data_start, data_line))
    end = data_start
    for chunk in chunks:
        assert chunk.byte_start == end
        end = chunk.byte_end
        assert chunk.source_sha256 == hashlib.sha256(source[chunk.byte_start : end]).hexdigest()
        rejects = {line: raw for line, _, raw in chunk.rejects}
        body, good, at = [], [], chunk.byte_start
        for row in [next(rows) for _ in range(chunk.rows)]:
            if row.line in rejects:
                assert rejects.pop(row.line) == source[row.start : row.end]
            else:
                body.append(source[at : row.end])
                good.append(row.fields)
            at = row.end
        assert not rejects, "every rejected row begins at the line that is named"
        assert at <= end, "a chunk ends where a row ends"
        tail = source[at:end]
        assert not rows_of(tail), "behind its last row it holds blank lines only"
        assert not tail or end == len(source), "and these only at the end of the source"
        assert chunk.body == b"".join(body) + tail
        assert [row.fields for row in rows_of(chunk.body)] == good
        assert (chunk.first_line, chunk.end_line) == tuple(1 + source.count(b"\n", 0, at) for at in (chunk.byte_start, end))
    assert next(rows, None) is None, "no row of the source is left out"
    assert not chunks or chunks[-1].rows == chunk_size or end == len(source), "nor a byte"
    assert [chunk.rows for chunk in chunks[:-1]] == [chunk_size] * (len(chunks) - 1)
    assert all(1 <= chunk.rows <= chunk_size for chunk in chunks)
