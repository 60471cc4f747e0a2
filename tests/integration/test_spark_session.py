"""How Spark plans a batch, and what it works out once, against a real Spark Connect."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from detectors.session import SMALL_ROWS, fit_to_size, kept
from local.config import Addresses


@pytest.fixture
def spark(spark_services: Addresses) -> SparkSession:
    return SparkSession.builder.remote(spark_services.spark_remote).getOrCreate()


def test_a_small_batch_is_planned_without_adaptive_execution_and_a_large_one_as_the_compute_wants(spark: SparkSession) -> None:
    names = ("spark.sql.adaptive.enabled", "spark.sql.shuffle.partitions")
    for _ in range(2):
        fit_to_size(spark, SMALL_ROWS)
        assert [spark.conf.get(name) for name in names] == ["false", "1"]
        fit_to_size(spark, SMALL_ROWS + 1)
        assert [spark.conf.get(name) for name in names] == ["true", "4"], "what local/spark.py starts the server with"


def test_a_setting_that_the_compute_refuses_stays(spark: SparkSession, capsys: pytest.CaptureFixture[str]) -> None:
    fit_to_size(spark, 1, {"spark.sql.warehouse.dir": "/elsewhere"})
    assert capsys.readouterr().out.startswith("spark.sql.warehouse.dir stays as it is: ")


def test_kept_rows_are_worked_out_once(spark: SparkSession, tmp_path: Path) -> None:
    file = tmp_path / "rows.txt"
    file.write_text("a\nb\n")
    rows = kept(spark.read.text(file.as_uri()))
    assert rows.count() == 2
    file.unlink()
    assert sorted(row.value for row in rows.collect()) == ["a", "b"]


class Unkept:
    """Rows on a compute that refuses to keep them."""

    def __init__(self, sql_state: str) -> None:
        self.error = PySparkException("no", errorClass="REFUSED")
        self.error.getSqlState = lambda: sql_state

    def localCheckpoint(self, *, eager: bool) -> DataFrame:
        raise self.error


def test_rows_that_the_compute_does_not_keep_are_used_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    rows: Any = Unkept("0A000")
    assert kept(rows) is rows
    assert capsys.readouterr().out == "rows are not kept, and worked out at each use: REFUSED\n"


def test_another_failure_of_rows_to_be_kept_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    rows: Any = Unkept("42K03")
    with pytest.raises(PySparkException):
        kept(rows)
