"""The whole stack, Airflow included, on an empty ledger."""

from __future__ import annotations

import pytest

from local.stack import Stack
from tests.conftest import drop_ledger


@pytest.fixture(scope="session")
def airflow(stack: Stack) -> Stack:
    """Everything runs; feeds that other tests followed are gone before a scheduled run can look for them."""
    stack.start(["postgres"])
    drop_ledger(stack.addresses)
    stack.start()
    return stack
