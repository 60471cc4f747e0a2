r"""CSV as the pipeline writes it: one line end, ``\n``, and quotes wherever a reader could stumble."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any


def render_csv(rows: Iterable[Sequence[Any]]) -> bytes:
    """Render rows as UTF-8 CSV. A field with a comma, a quote, or either character of a line end is quoted."""
    lines = []
    for row in rows:
        text = io.StringIO()
        # The csv module quotes the characters of its own line end only: so it writes both, and one is taken off.
        csv.writer(text, lineterminator="\r\n").writerow(row)
        lines.append(text.getvalue().removesuffix("\r\n") + "\n")
    return "".join(lines).encode()
