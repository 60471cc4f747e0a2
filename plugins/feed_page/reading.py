"""Reads the ledger for the page, as the role that may only look where there is one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from feeds.ledger import CONN_ID, Ledger, open_ledger

READER_CONN_ID = "ledger_reader"


@contextmanager
def open_reader() -> Iterator[Ledger]:
    """Open the ledger on the connection ``ledger_reader``; where Airflow has none, on ``ledger``. Nothing can be written."""
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        BaseHook.get_connection(READER_CONN_ID)
        conn_id = READER_CONN_ID
    except AirflowNotFoundException:
        conn_id = CONN_ID
    with open_ledger(conn_id) as ledger:
        ledger.run("page_read_only")
        yield ledger
