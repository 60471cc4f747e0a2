"""The ledger: runs the statements of ``include/sql`` on Airflow's connections. No other module speaks SQL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, cast

from psycopg import Connection
from psycopg.rows import dict_row

SQL_FOLDER = Path(__file__).resolve().parents[2] / "include" / "sql"
CONN_ID = "ledger"

Row = dict[str, Any]


@cache
def statement(name: str) -> str:
    """Text of ``include/sql/<name>.sql``."""
    return (SQL_FOLDER / f"{name}.sql").read_text()


class Ledger:
    """A connection to the ledger that runs statements by the name of their file.

    Every call is a transaction of its own, unless it is made inside :meth:`transaction`. A connection that is lost in a call
    leaves open whether it took effect: so every statement that a task may repeat changes nothing the second time.
    """

    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection
        if not connection.autocommit:  # inside a transaction it cannot even be set to what it is
            connection.autocommit = True

    def row(self, name: str, **values: Any) -> Row | None:
        """Run a statement with bound values and return its first row."""
        rows = self.rows(name, **values)
        return rows[0] if rows else None

    def rows(self, name: str, **values: Any) -> list[Row]:
        """Run a statement with bound values and return its rows."""
        with self._connection.cursor(row_factory=dict_row) as cursor:
            cursor.execute(statement(name), _bound(values))
            return cursor.fetchall() if cursor.description else []

    def run(self, name: str, **values: Any) -> int:
        """Run a statement with bound values and return how many rows it changed."""
        with self._connection.cursor() as cursor:
            cursor.execute(statement(name), _bound(values))
            return cursor.rowcount

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All calls inside take effect together or not at all."""
        with self._connection.transaction():
            yield


def _bound(values: Mapping[str, Any]) -> Mapping[str, Any] | None:
    # Without values psycopg sends the text as it is, which is what lets a file hold several statements.
    return values or None


@contextmanager
def open_ledger(conn_id: str = CONN_ID) -> Iterator[Ledger]:
    """Open the ledger of an Airflow connection, and close it afterwards."""
    from airflow.providers.postgres.hooks.postgres import PostgresHook

    connection = cast("Connection[Any]", PostgresHook(postgres_conn_id=conn_id).get_conn())  # psycopg 3, as SQLAlchemy is 2
    try:
        yield Ledger(connection)
    finally:
        connection.close()
