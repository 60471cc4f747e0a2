"""From the bytes of landed chunks to typed rows, and from these to what each chunk adds to the totals.

Chunks are clean: landing has kept bad rows apart. So nothing is rejected here; the job compares the number of rows with
the ledger's instead.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from detectors.errors import InputError

CSV_OPTIONS = {
    "header": "true",
    "encoding": "UTF-8",
    "quote": '"',
    "escape": '"',
    "multiLine": "true",
    # Never guessed from a file's first line: in a file of mixed line ends that would change what a field holds.
    "lineSep": "\n",
    "mode": "PERMISSIVE",
}
"""RFC 4180: quotes are doubled inside quotes, line ends inside quotes belong to the field, and no space is trimmed."""

NEEDED = ("customer", "gender", "merchant", "amount")
"""The columns that the rules use."""


def read_chunks(spark: SparkSession, paths: Sequence[str], columns: Sequence[str]) -> DataFrame:
    """Read chunk files with Spark's CSV reader and clean what the rules need.

    Parameters
    ----------
    spark
        The session.
    paths
        Full paths of the chunks; their names end in ``chunk-<number>.csv``.
    columns
        Names of the header's columns, in the order in which they stand in the files.

    Returns
    -------
    DataFrame
        ``chunk, customer, merchant, gender, amount``: ``amount`` is ``decimal(15,2)``, ``gender`` in upper case or null.

    Raises
    ------
    InputError
        A needed column is missing.
    """
    if missing := [name for name in NEEDED if name not in columns]:
        raise InputError(f"--columns lacks {', '.join(missing)}; it has {', '.join(columns)}")
    # By position: names from a file may collide in Spark, which compares them without case.
    schema = ", ".join(f"c{position} string" for position in range(len(columns)))
    rows = spark.read.options(**CSV_OPTIONS).schema(schema).csv(list(paths))
    raw = {name: F.col(f"c{columns.index(name)}") for name in NEEDED}
    # A blank line that ends in CR LF comes as a row of one field; a row of a chunk has all three.
    rows = rows.where(raw["customer"].isNotNull() & raw["merchant"].isNotNull() & raw["amount"].isNotNull())
    if columns[-1] in NEEDED:
        raw[columns[-1]] = F.regexp_replace(raw[columns[-1]], "\r$", "")  # of a line that ends in CR LF
    return rows.select(
        _number_in(F.col("_metadata.file_name")).alias("chunk"),
        clean(raw["customer"]).alias("customer"),
        clean(raw["merchant"]).alias("merchant"),
        F.upper(clean(raw["gender"])).alias("gender"),
        clean(raw["amount"]).cast("decimal(15,2)").alias("amount"),
    )


def _number_in(file_name: Column) -> Column:
    """Give the number in ``chunk-<number>.csv``; this runs for every row, and a pattern would be slower."""
    return F.substring_index(F.substring_index(file_name, ".", 1), "-", -1).cast("int")


def clean(value: Column, wrapping: str = " '") -> Column:
    """Strip what BankSim wraps text in: single quotes and spaces, at both ends."""
    return F.btrim(value, F.lit(wrapping))


def increments(transactions: DataFrame) -> DataFrame:
    """Give what each chunk adds to each pair, in whole cents: sums of decimals take Spark several times as long.

    ``merchant, customer, chunk, transactions, cents, seen_female, seen_male``; partitioned by pair, as all that follows needs it.
    """
    return (
        transactions.repartition("customer", "merchant")
        .groupBy("customer", "merchant", "chunk")
        .agg(
            F.count(F.lit(1)).alias("transactions"),
            F.sum((F.col("amount") * 100).cast("long")).alias("cents"),
            F.coalesce(F.bool_or(F.col("gender") == "F"), F.lit(False)).alias("seen_female"),
            F.coalesce(F.bool_or(F.col("gender") == "M"), F.lit(False)).alias("seen_male"),
        )
    )


def by_pair(increments: DataFrame, *further: Column) -> DataFrame:
    """Add increments up by pair: ``customer, merchant, transactions, cents, seen_female, seen_male``, then further aggregates."""
    return increments.groupBy("customer", "merchant").agg(
        F.sum("transactions").alias("transactions"),
        F.sum("cents").alias("cents"),
        F.bool_or("seen_female").alias("seen_female"),
        F.bool_or("seen_male").alias("seen_male"),
        *further,
    )


def totals(increments: DataFrame) -> DataFrame:
    """Give what a batch adds to the state: ``merchant, customer, transactions, amount, seen_female, seen_male, first_chunk``."""
    amount = F.col("cents").cast("decimal(22,0)") * F.lit("0.01").cast("decimal(2,2)")
    return by_pair(increments, F.min("chunk").alias("first_chunk")).select(
        "merchant", "customer", "transactions", amount.alias("amount"), "seen_female", "seen_male", "first_chunk"
    )


def rows_by_chunk(increments: DataFrame) -> dict[int, int]:
    """Count the rows of each chunk; a chunk without rows is missing."""
    rows = increments.groupBy("chunk").agg(F.sum("transactions").alias("transactions")).collect()
    return {row["chunk"]: row["transactions"] for row in rows}
