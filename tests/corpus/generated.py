"""The sources of the corpus that are binary or huge, and so are no files."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable

from tests.random_feeds import HEADER

_MB = 1_000_000


def row(customer: bytes = b"C1", merchant: bytes = b"M1", amount: bytes = b"4.55") -> bytes:
    """Make a row."""
    return b"0,'%b','4','M','28007','%b','28007','es_food',%b,0\n" % (customer, merchant, amount)


def _zip() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        # Without a time of its own the archive would have the present one, some of which read as quotes or line ends.
        archive.writestr(zipfile.ZipInfo("transactions.csv"), HEADER + row())
    return packed.getvalue()


GENERATED: dict[str, Callable[[], bytes]] = {
    "gzip": lambda: gzip.compress(HEADER + row() * 100, mtime=1),
    "zip": _zip,
    "utf_16": lambda: (HEADER + row()).decode().encode("utf-16"),
    "html_of_one_line": lambda: b"<!doctype html><title>Sign in</title>" + b"<p>x</p>" * 3_000,
    "header_of_20_kb": lambda: HEADER.rstrip() + b",x" * 10_000 + b"\n" + row(),
    "header_with_nul": lambda: HEADER.replace(b"customer", b"customer\0") + row(),
    "header_of_another_encoding": lambda: HEADER.replace(b"category", "catégorie".encode("latin-1")) + row(),
    "nul_bytes": lambda: HEADER + row() + row(b"C\0002") + b'0,"C\0003",4,M,28007,M1,28007,es_food,1,0\n' + row(),
    "invalid_utf_8": lambda: (
        # Latin-1, a character that is cut off, and a surrogate, which UTF-8 has no bytes for.
        HEADER + row() + row(b"Zo\xeb") + b'0,"\xe2\x82",4,M,28007,M1,28007,es_food,1,0\n' + row(b"\xed\xa0\x80") + row()
    ),
    "line_of_10_mb": lambda: HEADER + row() + b"x" * (10 * _MB) + b"\n" + row(),
    "quoted_line_of_10_mb": lambda: HEADER + row() + row(b'"' + b"C,1 " * (10 * _MB // 4) + b'"').replace(b"'", b"") + row(),
    "id_of_10_kb": lambda: HEADER + row(b"C" * 10_000) + row(merchant=b"M" * 10_000) + row(),
}
"""Name -> how it is made."""
