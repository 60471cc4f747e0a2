"""The whole stack, Airflow included, on an empty ledger."""

from __future__ import annotations

import psycopg
import pytest

from local.stack import Stack


@pytest.fixture(scope="session")
def airflow(stack: Stack) -> Stack:
    """Everything runs; feeds that other tests followed are gone before a scheduled run can look for them."""
    stack.start(["postgres"])
    with psycopg.connect(stack.addresses.ledger_dsn, autocommit=True) as connection:
        connection.execute("drop schema if exists ledger cascade")
    stack.start()
    return stack
