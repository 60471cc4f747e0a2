"""From the bytes of landed chunks to typed rows, and from these to what a batch adds to the totals.

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
        ``chunk, customer, merchant, gender, cents``: ``cents`` is the amount in cents, ``gender`` in upper case or null.
        Partitioned by pair, as all that follows needs it.

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
    cleaned = rows.select(
        _number_in(F.col("_metadata.file_name")).alias("chunk"),
        clean(raw["customer"]).alias("customer"),
        clean(raw["merchant"]).alias("merchant"),
        F.upper(clean(raw["gender"])).alias("gender"),
        # Whole numbers: sums of decimals take Spark several times as long.
        (clean(raw["amount"]).cast("decimal(15,2)") * 100).cast("long").alias("cents"),
    )
    return cleaned.repartition("customer", "merchant")


def _number_in(file_name: Column) -> Column:
    """Give the number in ``chunk-<number>.csv``; this runs for every row, and a pattern would be slower."""
    return F.substring_index(F.substring_index(file_name, ".", 1), "-", -1).cast("int")


def clean(value: Column, wrapping: str = " '") -> Column:
    """Strip what BankSim wraps text in: single quotes and spaces, at both ends."""
    return F.btrim(value, F.lit(wrapping))


def totals(transactions: DataFrame) -> DataFrame:
    """Give what a batch adds to the state, and at which chunk first.

    ``merchant, customer, transactions, amount, seen_female, seen_male, first_chunk, first_female, first_male``: the last two are
    null for a gender that the batch does not show.
    """
    firsts = {gender: F.min(F.when(F.col("gender") == gender, F.col("chunk"))) for gender in ("F", "M")}
    sums = transactions.groupBy("customer", "merchant").agg(
        F.count(F.lit(1)).alias("transactions"),
        F.sum("cents").cast("decimal(22,0)").alias("cents"),
        F.min("chunk").alias("first_chunk"),
        firsts["F"].alias("first_female"),
        firsts["M"].alias("first_male"),
    )
    return sums.select(
        "merchant",
        "customer",
        "transactions",
        (F.col("cents") * F.lit("0.01").cast("decimal(2,2)")).alias("amount"),
        F.col("first_female").isNotNull().alias("seen_female"),
        F.col("first_male").isNotNull().alias("seen_male"),
        "first_chunk",
        "first_female",
        "first_male",
    )


def rows_by_chunk(transactions: DataFrame) -> dict[int, int]:
    """Count the rows of each chunk; a chunk without rows is missing."""
    rows = transactions.groupBy("chunk").agg(F.count(F.lit(1)).alias("transactions")).collect()
    return {row["chunk"]: row["transactions"] for row in rows}
