"""The job's edge to PostgreSQL: it reads the ledger and writes staging rows, both by JDBC, and changes no state.

Every execution writes under a ``staging_id`` of its own, so a job that is killed and started again never mixes with what
it left behind. Crash windows: a job killed midway leaves staging rows without a row in ``ledger.staged_batch``, or with fewer
detections than that row counts; nobody reads them, and the commit of the batch drops them, or the next run of the DAG when the
batch is committed already. A part that Spark writes a second time, because it has lost the answer to the first, violates the
table's primary key: the job fails, and is started again. Nothing remains.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pyspark.sql import Column, DataFrame, Observation, Row, SparkSession
from pyspark.sql import functions as F

from detectors.errors import InputError

_PARTITIONS = 4  # connections to PostgreSQL at the same time, at most
_ENVIRONMENT = {"url": "LEDGER_JDBC_URL", "user": "LEDGER_USER", "password": "LEDGER_PASSWORD"}


def jdbc_options(connection: str = "", environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Give Spark's JDBC options for the ledger.

    Parameters
    ----------
    connection
        Name of a connection of Unity Catalog, which knows address, login and driver; empty: the environment has them.
    environment
        Environment variables.

    Raises
    ------
    InputError
        A variable is not set.
    """
    if connection:
        return {"databricks.connection": connection}
    if missing := [name for name in _ENVIRONMENT.values() if not environment.get(name)]:
        raise InputError(f"the environment lacks {', '.join(missing)}: the job reaches the ledger with them")
    options = {option: environment[name] for option, name in _ENVIRONMENT.items()}
    return {**options, "driver": "org.postgresql.Driver"}


def observed(observation: Observation, name: str) -> int:
    """Give an observed number; Spark observes nothing in a plan that it finds to be empty while it runs."""
    return int(observation.get.get(name, 0))


@dataclass(frozen=True)
class Staging:
    """The staging rows of one execution of the job.

    Parameters
    ----------
    spark
        The session.
    options
        What :func:`jdbc_options` gives.
    batch_id
        The batch in the ledger.
    staging_id
        Names this execution.
    """

    spark: SparkSession
    options: Mapping[str, str] = field(repr=False)
    batch_id: int
    staging_id: str

    def ledger(self, table: str, **how: str) -> DataFrame:
        """Read a table of the ledger; Spark pushes filters on it down to PostgreSQL."""
        # Without a fetch size the driver of PostgreSQL holds the whole result in memory.
        options = {**self.options, "fetchsize": "10000", **how}
        return self.spark.read.format("jdbc").options(**options, dbtable=f"ledger.{table}").load()

    def read(self, view: str, *columns: str, split_by: str = "", parts: int = 1) -> DataFrame:
        """Read columns of this execution's rows of a view on staging and state; by one query for each number in ``split_by``."""
        split = {"partitionColumn": split_by, "lowerBound": "0", "upperBound": str(parts), "numPartitions": str(parts)}
        own = (F.col("batch_id") == self.batch_id) & (F.col("staging_id") == self.staging_id)
        return self.ledger(view, **split if split_by else {}).where(own).select(*columns)

    def write(self, table: str, rows: DataFrame, *order: str) -> None:
        """Append rows to a staging table of the ledger; many in the ``order`` of its key, so that its pages fill one by one."""
        staged = rows.select("*", *self._own_columns()).coalesce(_PARTITIONS)
        if order:
            staged = staged.sortWithinPartitions(*order)
        # One statement of many rows instead of one per row.
        options = {**self.options, "batchsize": "10000", "reWriteBatchedInserts": "true", "stringtype": "unspecified"}
        staged.write.format("jdbc").options(**options, dbtable=f"ledger.{table}").mode("append").save()

    def write_few(self, table: str, rows: Sequence[Row]) -> None:
        """Append rows that the job has at hand, by one connection; to open a second takes longer than they do."""
        if rows:  # without a schema Spark finds the types here; it would have to be asked to read one
            self.write(table, self.spark.createDataFrame(rows).coalesce(1))

    def complete(self, detections: int) -> None:
        """Mark the staging complete, once so many detections are there too: they may be written beside this row."""
        self.write_few("staged_batch", [Row(detections=detections)])

    def _own_columns(self) -> tuple[Column, Column]:
        # As text: a number would stand in the code that Spark generates, which would then be compiled anew for every batch.
        return F.lit(str(self.batch_id)).alias("batch_id"), F.lit(self.staging_id).alias("staging_id")
