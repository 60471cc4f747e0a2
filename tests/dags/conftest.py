"""The DAG as the dag-processor and the scheduler have it. No service runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import DagSerialization

CHECKOUT = Path(__file__).resolve().parents[2]
DAGS = CHECKOUT / "dags"
DAG_IDS = ["audit_feed", "transaction_patterns"]


@dataclass(frozen=True)
class Parsed:
    """What ``tests.dags.parse_alone`` says of a parse in a process of its own."""

    errors: dict[str, str]
    hashes: dict[str, str]
    modules: set[str]
    reached: list[str]


@pytest.fixture(scope="session")
def parsed_alone() -> Parsed:
    """The result of parsing ``dags/`` where nothing can be reached."""
    command = [sys.executable, "-m", "tests.dags.parse_alone", str(DAGS)]
    done = subprocess.run(command, cwd=CHECKOUT, env=os.environ | {"PYTHONPATH": ""}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    return Parsed(found["errors"], found["hashes"], set(found["modules"]), found["reached"])


@pytest.fixture(scope="session")
def bag() -> DagBag:
    return DagBag(DAGS, safe_mode=False)


@pytest.fixture(scope="session")
def dag(bag: DagBag) -> DAG:
    """The pipeline."""
    assert bag.import_errors == {}
    return bag.dags["transaction_patterns"]


@pytest.fixture(scope="session")
def audit(bag: DagBag) -> DAG:
    return bag.dags["audit_feed"]


@pytest.fixture(params=DAG_IDS)
def each(bag: DagBag, request: pytest.FixtureRequest) -> DAG:
    """Every DAG of ours in turn."""
    return bag.dags[request.param]


@pytest.fixture(scope="session")
def serialized(dag: DAG) -> Any:
    """The DAG as the scheduler and the API server read it from the database."""
    return DagSerialization.from_dict(DagSerialization.to_dict(dag))
