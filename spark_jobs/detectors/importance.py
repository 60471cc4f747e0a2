"""Weights from CustomerImportance, aggregated once per feed and before any join: the file repeats its keys."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from detectors.errors import InputError
from detectors.staging import Staging, observed
from detectors.transactions import CSV_OPTIONS, clean

_NEEDED = ("Source", "Target", "Weight", "typeTrans")
_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,2})?$"
_MAX_ID_BYTES = 256  # landing rejects transactions with longer ones


def read_importance(spark: SparkSession, paths: Sequence[str]) -> DataFrame:
    """Read the importance file.

    Parameters
    ----------
    spark
        The session.
    paths
        Full paths of its parts, each of which begins with the header. Columns are found by header name; others than the needed
        four are ignored.

    Returns
    -------
    DataFrame
        ``customer, merchant, type, weight``: ``weight`` is ``decimal(30,18)``, and null where it is unreadable.

    Raises
    ------
    InputError
        It lacks a column.
    """
    # A line is a row, also when a quote is not closed: it must not swallow the rows behind it.
    rows = spark.read.options(**CSV_OPTIONS | {"multiLine": "false"}).csv(list(paths))
    header = [name.strip("\ufeff \r'\"") for name in rows.columns]
    if missing := [name for name in _NEEDED if name not in header]:
        found = ", ".join(header) or "nothing"
        raise InputError(f"importance file {paths[0]} lacks the column {', '.join(missing)}; its header has {found}")
    # By position: names from a file may hold any character.
    rows = rows.toDF(*(f"c{position}" for position in range(len(header))))
    customer, merchant, weight, kind = (F.coalesce(clean(F.col(f"c{header.index(name)}"), " '\r"), F.lit("")) for name in _NEEDED)
    # A blank line that ends in CR LF comes as a row of one empty field.
    return rows.where((customer != "") | (merchant != "") | (weight != "") | (kind != "")).select(
        customer.alias("customer"),
        merchant.alias("merchant"),
        kind.alias("type"),
        F.when(weight.rlike(_NUMBER), weight.try_cast("decimal(30,18)")).alias("weight"),
    )


def weights(importance: DataFrame, weight_scope: str) -> DataFrame:
    """Give one weight per key: ``merchant, customer, weight``.

    Equal means tie: a mean is the quotient of an exact sum, divided once, and has 18 places like the sum. It is rounded
    to the 12 places of the ledger, which takes up what the inner quotients of a mean of means have lost.

    Parameters
    ----------
    importance
        What :func:`read_importance` gives. Rows without a weight are left out.
    weight_scope
        ``customer_merchant``: mean over all rows of the pair. ``customer``: mean per type, then the mean of these
        means; ``merchant`` is empty.
    """
    known = importance.where(F.col("weight").isNotNull())
    if weight_scope == "customer":
        known = _mean(known, "customer", "type").withColumn("merchant", F.lit(""))
    means = _mean(known, "merchant", "customer").withColumn("weight", F.round("weight", 12).cast("decimal(38,12)"))
    # Ids that landing rejects have no transactions, and PostgreSQL could not keep them.
    for name in ("merchant", "customer"):
        means = means.where((F.octet_length(name) <= _MAX_ID_BYTES) & ~F.contains(F.col(name), F.lit("\0")))
    return means


def _mean(rows: DataFrame, *keys: str) -> DataFrame:
    exact_sum = F.sum(F.col("weight").cast("decimal(38,18)"))
    return rows.groupBy(*keys).agg((exact_sum / F.count("weight").cast("decimal(10,0)")).alias("weight"))


def stage_weights(staging: Staging, importance: DataFrame, weight_scope: str) -> list[str]:
    """Write the weights to the ledger's staging rows.

    Parameters
    ----------
    staging
        Where to.
    importance
        What :func:`read_importance` gives.
    weight_scope
        As for :func:`weights`.

    Returns
    -------
    list of str
        What to tell: rows read, and how many of them were ignored.

    Raises
    ------
    InputError
        No row can be used: PatId1 would silently find nothing.
    """
    observation = Observation()
    counted = importance.observe(observation, F.count(F.lit(1)).alias("rows"), F.count("weight").alias("used"))
    staging.write("staged_weight", weights(counted, weight_scope), "merchant", "customer")
    rows, used = observed(observation, "rows"), observed(observation, "used")
    if not used:
        raise InputError(
            "the importance file has no row with a readable Weight: PatId1 would find nothing. "
            "Start a new feed with a file of weights."
        )
    return [f"{rows} importance rows", f"{rows - used} of them ignored (unreadable Weight)"]
