"""Split a CSV byte stream into records, without ever changing a byte, and say which of them cannot be used.

A record is one row with its line end; blank lines belong to the record behind them. What one record is, Python's ``csv`` module
decides, in its strict mode: a quote opens a field only at its start, a quote inside a quoted field is doubled. A row whose
quoting is broken or never ends counts as one physical line, so that it cannot swallow the rows behind it.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from feeds.errors import SourceFormatError

MAX_RECORD_BYTES = 1 << 20
"""A longer row is rejected: no row of a bank's export comes near it."""

MAX_SPREAD_BYTES = 1 << 16
"""A row over several lines that is longer is rejected, line by line. So much is read behind each line that leaves a quote open:
were it ``MAX_RECORD_BYTES``, a chunk of such lines would take minutes."""

MAX_LINE_BYTES = 1 << 26
"""A source with a longer line is no CSV; reading on would only fill the memory."""

MAX_ID_BYTES = 256
"""A longer customer or merchant is rejected: PostgreSQL cannot index keys of more than 2,700 bytes."""

csv.field_size_limit(MAX_RECORD_BYTES)

_AMOUNT = re.compile(r"[0-9]{1,13}(\.[0-9]{1,2})?")
_NUMBER = re.compile(r"-?[0-9]*(\.[0-9]*)?")
_BLANK = (b"\n", b"\r\n")


class Record(NamedTuple):
    """One row as it stands in the source.

    Attributes
    ----------
    raw
        Its exact bytes, with its line end and the blank lines before it.
    lines
        Number of line ends in ``raw``: the source may end without one.
    blank_lines
        How many of them are the blank ones before it.
    fields
        Its fields, quoting undone; empty when it cannot be read.
    problem
        Why it cannot be read, or ``None``.
    """

    raw: bytes
    lines: int
    blank_lines: int
    fields: list[str]
    problem: str | None


class RecordSplitter:
    """Cut records off the front of a stream that arrives in pieces of any size; the records do not depend on the sizes."""

    def __init__(self) -> None:
        self._data = b""
        self._next = 0  # offset in _data of the first byte that is not taken
        self._end = 0  # offset behind the last complete line
        self._finished = False

    def add(self, data: bytes) -> None:
        """Append bytes of the source.

        Raises
        ------
        SourceFormatError
            A line is longer than ``MAX_LINE_BYTES``.
        """
        self._data = self._data[self._next :] + data
        self._next = 0
        self._end = self._data.rfind(b"\n") + 1
        if len(self._data) - self._end > MAX_LINE_BYTES:
            raise SourceFormatError(f"a line is longer than {MAX_LINE_BYTES:,} bytes: this is not the CSV that is expected")

    def finish(self) -> None:
        """Say that the source has no more bytes: an open last line is complete."""
        self._finished = True
        self._end = len(self._data)

    def take(self, limit: int) -> Iterator[Record]:
        """Yield at most ``limit`` records; fewer when more bytes are needed or the source has ended."""
        for _ in range(limit):
            record = self.take_one()
            if record is None:
                return
            yield record

    def take_run(self, find: Callable[[bytes, int, int], tuple[int, int]], limit: int) -> tuple[bytes, int]:
        """Take rows of one line each, all at once: their bytes, and how many they are.

        Parameters
        ----------
        find
            Says how many there are in some bytes from an offset on, and where they end; at most as many as it is told.
        limit
            How many are wanted.
        """
        start = self._next
        rows, self._next = find(self._data, start, limit)
        return self._data[start : self._next], rows

    def take_blank_tail(self) -> tuple[bytes, int]:
        """Bytes and number of the lines left when the source has ended and no record is left: blank ones."""
        tail = self._data[self._next : self._end]
        self._next = self._end
        return tail, tail.count(b"\n")

    def _line(self, start: int) -> bytes:
        """Give the complete line that begins there; empty when there is none."""
        end = self._data.find(b"\n", start, self._end) + 1
        return self._data[start : end or self._end]

    def take_one(self) -> Record | None:
        """Take the next record; ``None`` when more bytes are needed or the source has ended."""
        start, blank_lines = self._next, 0
        while (line := self._line(start)) in _BLANK:
            start += len(line)
            blank_lines += 1
        if not line:
            return None
        if len(line) > MAX_RECORD_BYTES:
            read: tuple[int, list[str], str | None] | None = (len(line), [], "row too long")
        elif b'"' in line:
            read = self._read_quoted(start)
        else:
            read = (len(line), *_read_plain(line))
        if read is None:
            return None
        size, fields, problem = read
        raw = self._data[self._next : start + size]
        self._next = start + size
        return Record(raw, raw.count(b"\n"), blank_lines, fields, problem)

    def _read_quoted(self, start: int) -> tuple[int, list[str], str | None] | None:
        """Read a record that may go over several lines: its size, its fields, its problem; ``None``: needs more bytes."""
        size = 0

        def lines() -> Iterator[str]:
            nonlocal size
            while (line := self._line(start + size)) and (size == 0 or size + len(line) <= MAX_SPREAD_BYTES):
                size += len(line)
                yield line.decode("latin-1")  # byte for byte; undone below

        try:
            latin = next(csv.reader(lines(), strict=True))
        except csv.Error:
            may_go_on = start + size == self._end and not self._finished
            if may_go_on and size + len(self._data) - self._end <= MAX_SPREAD_BYTES:
                return None
            return len(self._line(start)), [], "not valid CSV"
        fields = [_decoded(field.encode("latin-1")) for field in latin]
        problem = next((problem for _, problem in fields if problem), None)
        return size, [] if problem else [text for text, _ in fields], problem


def _read_plain(line: bytes) -> tuple[list[str], str | None]:
    row = line.removesuffix(b"\n").removesuffix(b"\r")
    if b"\r" in row:
        return [], "not valid CSV"
    text, problem = _decoded(row)
    return ([], problem) if problem else (text.split(","), None)


def _decoded(row: bytes) -> tuple[str, str | None]:
    if b"\0" in row:
        return "", "NUL byte"
    try:
        return row.decode(), None
    except UnicodeDecodeError:
        return "", "not UTF-8"


def clean(value: str) -> str:
    """Strip what BankSim wraps text in: single quotes and spaces, at both ends."""
    return value.strip(" '")


class RowCheck:
    """Says why a row cannot reach a total.

    Parameters
    ----------
    columns
        Names of the header's columns, in order.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self._count = len(columns)
        self._ids = [(name, columns.index(name)) for name in ("customer", "merchant")]
        self._amount = columns.index("amount")

    def reason(self, record: Record) -> str | None:
        """Return why the row is rejected, one of a few fixed texts, or ``None`` when it is good."""
        if record.problem is not None:
            return record.problem
        fields = record.fields
        if len(fields) != self._count:
            return "wrong number of fields"
        for name, position in self._ids:
            value = clean(fields[position])
            if not value:
                return f"empty {name}"
            if len(value) * 4 > MAX_ID_BYTES and len(value.encode()) > MAX_ID_BYTES:  # a character has at most 4 bytes
                return f"{name} too long"
        amount = clean(fields[self._amount])
        return None if _AMOUNT.fullmatch(amount) else _amount_problem(amount)


def _amount_problem(amount: str) -> str:
    if not amount or not _NUMBER.fullmatch(amount) or not amount.strip("-."):
        return "unreadable amount"
    if amount.startswith("-"):
        return "negative amount"
    whole, _, decimals = amount.partition(".")
    if len(whole) > 13:
        return "amount too large"
    return "amount has more than two decimals" if len(decimals) > 2 else "unreadable amount"
