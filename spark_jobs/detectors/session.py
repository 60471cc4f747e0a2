"""How Spark plans a batch: one of few rows otherwise than one of many, and what is used more than once is worked out once."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

SMALL_ROWS = 200_000
"""A batch of at most so many rows is small: 20 chunks of the usual size."""

SMALL: Mapping[str, str] = {"spark.sql.adaptive.enabled": "false", "spark.sql.shuffle.partitions": "1"}
"""For small batches. Adaptive execution ends a job at every exchange, and plans the rest anew: of rows as few as these that takes
longer than they do. Without it nobody joins small partitions, so there is one; and what is in one partition need not travel again
for the next grouping."""

_NOT_SUPPORTED = "0A"
"""How SQLSTATEs of features begin that are not supported."""

_USUAL = "transaction_patterns.usual."


def is_small(rows: int) -> bool:
    """Whether a batch of so many rows is small: planning it takes Spark longer than working it out."""
    return rows <= SMALL_ROWS


def fit_to_size(spark: SparkSession, rows: int, small: Mapping[str, str] = SMALL) -> None:
    """Let the session plan for a batch of so many rows; nothing of it changes a result.

    Parameters
    ----------
    spark
        The session. Jobs may share it: for a large batch it gets back what the compute has started it with. Of two that run at
        once (an audit beside a batch) both then plan as the later one: slower, to the same result.
    rows
        Of the batch.
    small
        The settings of a small batch. One that the compute refuses (serverless compute allows few) stays as it is.
    """
    for name, value in small.items():
        try:
            usual = _usual(spark, name)
            spark.conf.set(name, value if is_small(rows) else usual)
        except PySparkException as error:
            print(f"{name} stays as it is: {error.getCondition() or type(error).__name__}", flush=True)


def kept(rows: DataFrame) -> DataFrame:
    """Give the same rows, which Spark works out when they are first used, and keeps for as long as the result is referenced.

    They are in the memory of its executors or on their disks: when one of these is lost, the job fails, and is started again.
    Compute that does not support it works them out at each use.
    """
    try:
        return rows.localCheckpoint(eager=False)
    except PySparkException as error:
        if not (error.getSqlState() or "").startswith(_NOT_SUPPORTED):
            raise
        print(f"rows are not kept, and worked out at each use: {error.getCondition()}", flush=True)
        return rows


def _usual(spark: SparkSession, name: str) -> str:
    """Give what the compute has started the session with. The session keeps it: ``unset`` gives Spark's own default."""
    usual = spark.conf.get(_USUAL + name, None)
    if usual is None:
        usual = spark.conf.get(name)
        spark.conf.set(_USUAL + name, usual)
    return usual
