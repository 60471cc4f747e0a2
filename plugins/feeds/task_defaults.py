"""What all tasks of all DAGs have in common."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from feeds.faults import FaultPolicy

TASK_DEFAULTS: dict[str, Any] = {
    "owner": "data-engineering",
    "retries": 3,
    "retry_delay": timedelta(seconds=5),
    "retry_exponential_backoff": 2,
    "max_retry_delay": timedelta(minutes=5),
    "retry_policy": FaultPolicy(),
    "execution_timeout": timedelta(hours=1),
}
"""Faults of the network pass within some minutes; :mod:`feeds.faults` and :mod:`feeds.errors` say what no retry can mend."""
