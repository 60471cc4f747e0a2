"""Cut the source into chunks: pure, given a function that reads byte ranges."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from feeds.csv_lines import render_csv
from feeds.errors import SourceFormatError
from feeds.plain_rows import PlainRows
from feeds.records import RecordSplitter, RowCheck
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
        Numbers of the lines that its first byte and the byte behind it are on. These bytes are mostly the first of a line; behind
        a last row without a line end it is that row's, also when the source goes on later.
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
    reader = _Reader(read, size, start, header.columns)
    cut = 0
    while limit is None or cut < limit:
        chunk = reader.chunk(chunk_size, None if limit is None else (limit - cut) * chunk_size)
        if chunk is None:
            return
        yield chunk
        cut += 1


class _Piece(NamedTuple):
    """Rows that lie next to each other: good ones, or a single one that is rejected, or the blank lines at the end."""

    raw: bytes
    rows: int
    lines: int
    reject: tuple[int, str, bytes] | None = None


class _Reader:
    """Takes chunks from the source, and keeps count of bytes, lines and rows."""

    def __init__(self, read: ReadRange, size: int, start: Position, columns: Sequence[str]) -> None:
        self._read, self._size, self._start = read, size, start
        self._splitter, self._plain, self._check = RecordSplitter(), PlainRows(columns), RowCheck(columns)
        self._read_to = start.offset
        self._rows = 0
        self._least = _LEAST_READ
        self._offset, self._line = start.offset, start.line

    def chunk(self, count: int, wanted: int | None) -> Chunk | None:
        """Take ``count`` rows, fewer at the end of the source; ``wanted`` will be taken in all (``None``: the rest)."""
        byte_start, first_line = self._offset, self._line
        pieces = self._pieces(count, wanted)
        if not pieces:
            return None
        digest = hashlib.sha256()
        for piece in pieces:
            digest.update(piece.raw)
        good = [piece for piece in pieces if piece.reject is None]
        return Chunk(
            byte_start, self._offset, first_line, self._line,
            landed_rows=sum(piece.rows for piece in good),
            rejects=[piece.reject for piece in pieces if piece.reject is not None],
            source_sha256=digest.hexdigest(),
            body=b"".join(piece.raw for piece in good),
        )  # fmt: skip

    def _pieces(self, count: int, wanted: int | None) -> list[_Piece]:
        pieces: list[_Piece] = []
        rows_before = self._rows
        while True:
            pieces.extend(self._take(count - (self._rows - rows_before)))
            taken = self._rows - rows_before
            if taken == count:
                return pieces
            if self._read_to == self._size:
                break
            self._read_more(None if wanted is None else wanted - taken)
        if pieces:
            # Blank lines at the very end stay with a chunk that the end cut short; behind a full one they are left.
            tail, lines = self._splitter.take_blank_tail()
            pieces.append(self._counted(_Piece(tail, 0, lines)))
        return pieces

    def _take(self, limit: int) -> Iterator[_Piece]:
        """Take ``limit`` rows, fewer when more bytes are needed: plain ones many at once, each other one by the exact rules."""
        while limit > 0 and (piece := self._run(limit) or self._record()):
            limit -= piece.rows
            yield self._counted(piece)

    def _run(self, limit: int) -> _Piece | None:
        raw, rows = self._splitter.take_run(self._plain.run, limit)
        return _Piece(raw, rows, rows) if rows else None

    def _record(self) -> _Piece | None:
        record = self._splitter.take_one()
        if record is None:
            return None
        reason = self._check.reason(record)
        if reason is None:
            return _Piece(record.raw, 1, record.lines)
        row = b"".join(record.raw.splitlines(keepends=True)[record.blank_lines :])
        return _Piece(record.raw, 1, record.lines, (self._line + record.blank_lines, reason, row))

    def _counted(self, piece: _Piece) -> _Piece:
        self._offset += len(piece.raw)
        self._line += piece.lines
        self._rows += piece.rows
        return piece

    def _read_more(self, rows: int | None) -> None:
        length = self._guess(rows)
        if length < self._least:
            # A row far larger than the mean must not be fetched in ever so many small pieces.
            length, self._least = self._least, self._least * 2
        else:
            self._least = _LEAST_READ
        end = min(self._read_to + min(length, BLOCK_BYTES), self._size)
        try:
            self._splitter.add(self._read(self._read_to, end))
        except SourceFormatError as error:
            raise SourceFormatError(f"behind line {self._line:,}, byte {self._offset:,}: {error}") from error
        self._read_to = end
        if end == self._size:
            self._splitter.finish()

    def _guess(self, rows: int | None) -> int:
        """How many bytes hold the next ``rows`` rows, guessed a little low: the rest is topped up in small reads."""
        if rows is None:
            return BLOCK_BYTES
        mean = (self._offset - self._start.offset) / self._rows if self._rows else self._start.bytes_per_row
        if mean is None:
            return _FIRST_READ
        return int(rows * mean * 0.995) - (self._read_to - self._offset)
