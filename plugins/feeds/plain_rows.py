"""Finds rows that are plainly good, many at once: what :mod:`feeds.records` would say of each, without looking at each.

A plain row is one line of the header's number of fields, without a double quote or NUL byte, and without a carriage return but
at its end; its fields are short, and it has a customer, a merchant and an amount. What is not plain is not bad: the exact rules
decide about it, row by row.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from feeds.records import MAX_RECORD_BYTES

_STRIDE = 16  # rows matched at once
_OTHER = rb'[^,"\r\n\0]{0,%d}+'
_ID = rb"[ ']{0,9}+[^ ',\"\r\n\0]" + _OTHER
_AMOUNT = rb"[ ']{0,9}+[0-9]{1,13}+(?:\.[0-9]{1,2}+)?+[ ']{0,9}+"
_LONGEST = 200  # bytes of a field: with the quotes before it less than MAX_ID_BYTES


class PlainRows:
    """Finds the plain rows at a place.

    Parameters
    ----------
    columns
        Names of the header's columns, in order.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        # Every quantifier is possessive: a row matches in one way or not at all, and nothing is tried twice.
        longest = min(_LONGEST, MAX_RECORD_BYTES // len(columns) - 24)
        kinds = [_OTHER % longest] * len(columns)
        kinds[columns.index("customer")] = kinds[columns.index("merchant")] = _ID % longest
        kinds[columns.index("amount")] = _AMOUNT
        row = b",".join(kinds) + rb"\r?+\n"
        self._one = re.compile(row)
        self._some = re.compile(rb"(?:%b){%d}+" % (row, _STRIDE))

    def run(self, data: bytes, start: int, limit: int) -> tuple[int, int]:
        """Give how many rows in a row are plain, ``limit`` at most, and the offset behind them.

        Parameters
        ----------
        data
            Bytes of the source.
        start
            Where a row begins.
        limit
            How many rows are wanted.
        """
        rows, end = 0, start
        for pattern, stride in ((self._some, _STRIDE), (self._one, 1)):
            while rows + stride <= limit and (found := pattern.match(data, end)) and _is_utf8(found[0]):
                rows, end = rows + stride, found.end()
        return rows, end


def _is_utf8(rows: bytes) -> bool:
    if rows.isascii():
        return True
    try:
        rows.decode()
    except UnicodeDecodeError:
        return False
    return True
