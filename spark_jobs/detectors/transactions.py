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
    if missing := [name for name in ("customer", "gender", "merchant", "amount") if name not in columns]:
        raise InputError(f"--columns lacks {', '.join(missing)}; it has {', '.join(columns)}")
    # By position: names from a file may collide in Spark, which compares them without case.
    schema = ", ".join(f"c{position} string" for position in range(len(columns)))
    rows = spark.read.options(**CSV_OPTIONS).schema(schema).csv(list(paths))

    def cleaned(name: str) -> Column:
        position = columns.index(name)
        value = F.col(f"c{position}")
        if position == len(columns) - 1:
            value = F.regexp_replace(value, "\r$", "")  # of a line that ends in CR LF
        return clean(value).alias(name)

    return (
        rows.select(
            F.regexp_extract("_metadata.file_name", r"chunk-(\d+)\.csv$", 1).cast("int").alias("chunk"),
            cleaned("customer"),
            cleaned("merchant"),
            F.upper(cleaned("gender")).alias("gender"),
            cleaned("amount"),
        )
        # A blank line that ends in CR LF comes as a row of one field; a row of a chunk has all three.
        .where(F.col("customer").isNotNull() & F.col("merchant").isNotNull() & F.col("amount").isNotNull())
        .withColumn("amount", F.col("amount").cast("decimal(15,2)"))
    )


def clean(value: Column) -> Column:
    """Strip what BankSim wraps text in: single quotes and spaces, at both ends."""
    return F.btrim(value, F.lit(" '"))


def totals(transactions: DataFrame, *keys: str) -> DataFrame:
    """Add up transactions by some keys: ``transactions, amount, seen_female, seen_male``; the amount is exact."""
    return transactions.groupBy(*keys).agg(
        F.count(F.lit(1)).alias("transactions"),
        F.sum("amount").cast("decimal(24,2)").alias("amount"),
        F.coalesce(F.bool_or(F.col("gender") == "F"), F.lit(False)).alias("seen_female"),
        F.coalesce(F.bool_or(F.col("gender") == "M"), F.lit(False)).alias("seen_male"),
    )
