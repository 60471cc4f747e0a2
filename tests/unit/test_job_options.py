"""What the job says to JDBC, and that the guide lets it pass on serverless compute."""

from __future__ import annotations

import re
from pathlib import Path
from unittest.mock import MagicMock

import pytest

from detectors.staging import Staging, jdbc_options

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "deploy-azure.md"


def test_the_connection_of_unity_catalog_allows_every_option_that_the_job_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARK_CONNECT_MODE_ENABLED", "1")  # else a column needs a session
    spark, rows = MagicMock(), MagicMock()
    of_connection = jdbc_options("transaction_patterns_ledger")
    staging = Staging(spark, of_connection, 1, "s")
    staging.read("batch_state", "kind", split_by="part", parts=8)
    staging.write("staged_pair", rows, "merchant")
    reading = spark.read.format.return_value.options.call_args.kwargs
    writing = rows.select.return_value.coalesce.return_value.sortWithinPartitions.return_value.write.format.return_value
    set_by_the_job = {*reading, *writing.options.call_args.kwargs} - set(of_connection)
    allowed = re.search(r"externalOptionsAllowList '(.*)'", GUIDE.read_text())
    assert allowed is not None
    assert set(allowed[1].split(",")) == set_by_the_job
