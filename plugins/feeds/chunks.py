"""Cut the source into chunks: pure, given a function that reads byte ranges."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from feeds.csv_lines import render_csv
from feeds.records import Record, RecordSplitter, RowCheck
from feeds.source import BLOCK_BYTES, Header, ReadRange

_FIRST_READ = 1 << 16
_LEAST_READ = 1 << 12


@dataclass(frozen=True)
class Position:
    """Where the next chunk starts.

    Attributes
    ----------
    offset
        Byte of the source.
    line
        Line number of that byte, counted from 1.
    bytes_per_row
        Mean size of the rows before it, to guess how much to read; ``None`` when there are none.
    """

    offset: int
    line: int
    bytes_per_row: float | None = None


@dataclass
class Chunk:
    """The next rows of the source.

    Attributes
    ----------
    byte_start, byte_end
        Its range in the source.
    first_line, end_line
        Number of its first line, and of the line behind its last one.
    landed_rows
        Rows that can reach a total; their exact bytes are ``body``.
    rejects
        Line number, reason and bytes of every other row, in order.
    source_sha256
        Of the range's bytes.
    """

    byte_start: int
    byte_end: int
    first_line: int
    end_line: int
    landed_rows: int = 0
    rejects: list[tuple[int, str, bytes]] = field(default_factory=list)
    source_sha256: str = ""
    body: bytes = b""

    @property
    def rows(self) -> int:
        """Rows of the source, landed and rejected."""
        return self.landed_rows + len(self.rejects)

    @property
    def reject_reasons(self) -> dict[str, int]:
        """Reasons of the rejected rows, and how many have each."""
        return dict(Counter(reason for _, reason, _ in self.rejects))

    def rejects_csv(self) -> bytes:
        """Render the rejected rows as CSV: line number in the source, reason, the row as it stands there."""
        rows = ((line, reason, raw.decode(errors="backslashreplace").rstrip("\r\n")) for line, reason, raw in self.rejects)
        return render_csv([("line", "reason", "row"), *rows])


def cut_chunks(
    read: ReadRange, size: int, header: Header, start: Position, chunk_size: int, limit: int | None
) -> Iterator[Chunk]:
    """Cut at most ``limit`` chunks (``None``: all that are left) of ``chunk_size`` rows; the last of the source may be shorter.

    The result does not depend on how the bytes arrive. Reads a few MB at a time, and little more than the chunks: what remains to
    be read is guessed from the mean size of a row.

    Parameters
    ----------
    read
        Reads the source; ranges follow each other.
    size
        Size of the source in bytes.
    header
        Its header.
    start
        Where the first of the chunks begins.
    chunk_size
        Rows per chunk.
    limit
        How many chunks.
    """
    reader = _Reader(read, size, start)
    check = RowCheck(header.columns)
    cut = 0
    while limit is None or cut < limit:
        first_line, offset = reader.line, reader.offset
        records = reader.records(chunk_size, None if limit is None else (limit - cut) * chunk_size)
        if not records:
            return
        # Blank lines at the very end stay with a chunk that the end cut short; behind a full one they are left.
        tail = reader.blank_tail() if len(records) < chunk_size else b""
        yield _chunk(records, tail, Chunk(offset, reader.offset, first_line, reader.line), check)
        cut += 1


def _chunk(records: list[Record], tail: bytes, chunk: Chunk, check: RowCheck) -> Chunk:
    digest = hashlib.sha256()
    body = []
    line = chunk.first_line
    for record in records:
        digest.update(record.raw)
        if reason := check.reason(record):
            row = b"".join(record.raw.splitlines(keepends=True)[record.blank_lines :])
            chunk.rejects.append((line + record.blank_lines, reason, row))
        else:
            body.append(record.raw)
        line += record.lines
    digest.update(tail)
    chunk.landed_rows = len(body)
    chunk.body = b"".join([*body, tail])
    chunk.source_sha256 = digest.hexdigest()
    return chunk


class _Reader:
    """Takes records from the source, and keeps count of bytes and lines."""

    def __init__(self, read: ReadRange, size: int, start: Position) -> None:
        self._read, self._size, self._start = read, size, start
        self._splitter = RecordSplitter()
        self._read_to = start.offset
        self._rows = 0
        self._least = _LEAST_READ
        self.offset, self.line = start.offset, start.line

    def records(self, count: int, wanted: int | None) -> list[Record]:
        """Take ``count`` records, fewer at the end of the source; ``wanted`` will be taken in all (``None``: the rest)."""
        records: list[Record] = []
        rows_before = self._rows
        while True:
            for record in self._splitter.take(count - len(records)):
                records.append(record)
                self.offset += len(record.raw)
                self.line += record.lines
            taken = len(records)
            self._rows = rows_before + taken
            if taken == count or self._read_to == self._size:
                return records
            self._read_more(None if wanted is None else wanted - taken)

    def blank_tail(self) -> bytes:
        """Take the blank lines behind the last record of the source."""
        tail, lines = self._splitter.take_blank_tail()
        self.offset += len(tail)
        self.line += lines
        return tail

    def _read_more(self, rows: int | None) -> None:
        length = self._guess(rows)
        if length < self._least:
            # A row far larger than the mean must not be fetched in ever so many small pieces.
            length, self._least = self._least, self._least * 2
        else:
            self._least = _LEAST_READ
        end = min(self._read_to + min(length, BLOCK_BYTES), self._size)
        self._splitter.add(self._read(self._read_to, end))
        self._read_to = end
        if end == self._size:
            self._splitter.finish()

    def _guess(self, rows: int | None) -> int:
        """How many bytes hold the next ``rows`` rows, guessed a little low: the rest is topped up in small reads."""
        if rows is None:
            return BLOCK_BYTES
        mean = (self.offset - self._start.offset) / self._rows if self._rows else self._start.bytes_per_row
        if mean is None:
            return _FIRST_READ
        return int(rows * mean * 0.995) - (self._read_to - self.offset)
