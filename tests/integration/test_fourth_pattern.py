"""The worked example of CONTRIBUTING.md, done as it says in a copy of the job: one module, one registration, one test."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest

from local.config import CHECKOUT, Addresses
from tests.handmade import Row, buy
from tests.integration.spark_feed import land
from tests.integration.test_spark_job import RULES

Found = tuple[int, str, str, str, str]
SECTION = (CHECKOUT / "CONTRIBUTING.md").read_text().partition("## A fourth pattern\n")[2]
MODULE, TEST = re.findall(r"^```python\n(.*?)^```", SECTION, re.MULTILINE | re.DOTALL)
(DIFF,) = re.findall(r"^```diff\n(.*?)^```", SECTION, re.MULTILINE | re.DOTALL)


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """The job's folder with the fourth pattern in it."""
    copy = Path(shutil.copytree(CHECKOUT / "spark_jobs", tmp_path / "spark_jobs", ignore=shutil.ignore_patterns("__pycache__")))
    (copy / "detectors" / "busy.py").write_text(MODULE)
    registration = copy / "detectors" / "__init__.py"
    text = registration.read_text()
    for old, new in re.findall(r"^-(.*)\n\+(.*)\n", DIFF, re.MULTILINE):
        assert text.count(f"{old}\n") == 1, old
        text = text.replace(f"{old}\n", f"{new}\n")
    registration.write_text(text)
    return copy


@pytest.fixture
def stage(
    spark_services: Addresses, connection: psycopg.Connection[Any], tmp_path: Path, job: Path
) -> Callable[..., list[Found]]:
    environment = os.environ | {
        "SPARK_REMOTE": spark_services.spark_remote,
        "LEDGER_JDBC_URL": spark_services.ledger_jdbc_url,
        "LEDGER_USER": spark_services.ledger_user,
        "LEDGER_PASSWORD": spark_services.ledger_password,
    }

    def stage(rows: Sequence[Row], *, chunk_size: int, first: int = 1) -> list[Found]:
        with psycopg.connect(spark_services.ledger_owner_dsn, autocommit=True) as owner:
            owner.execute("truncate ledger.feed, ledger.pair_total, ledger.weight cascade")
        feed = land(connection, tmp_path, rows, RULES | {"chunk_size": chunk_size})
        last = -(-len(rows) // chunk_size)
        batch_id = feed.open_batch(first, last)
        arguments = feed.arguments(batch_id, first, last, with_importance=False)
        done = subprocess.run(
            [sys.executable, str(job / "detect_patterns.py"), *arguments],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        query = "select chunk, pattern_id, action_type, merchant, customer from ledger.staged_detection where batch_id = %s"
        return connection.execute(query, [batch_id]).fetchall()

    return stage


def test_the_example_works_as_it_stands_there(stage: Callable[..., list[Found]]) -> None:
    names: dict[str, Any] = {"buy": buy}
    exec(TEST, names)  # noqa: S102 -- a block of our own page
    (test,) = [value for name, value in names.items() if name.startswith("test_")]
    test(stage)
