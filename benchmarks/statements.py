"""The benchmarks' own statements: ``benchmarks/sql``, one file each, with bound values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

FOLDER = Path(__file__).resolve().parent / "sql"
Row = dict[str, Any]


def statement(name: str) -> str:
    """Text of ``benchmarks/sql/<name>.sql``."""
    return (FOLDER / f"{name}.sql").read_text()


def rows(connection: psycopg.Connection[Any], name: str, **values: Any) -> list[Row]:
    """Run a statement with bound values and return its rows."""
    with connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(statement(name), values or {})
        return cursor.fetchall() if cursor.description else []
