"""What a detector sees of a batch: what its chunks add, and the state before it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

BEFORE = 0
"""The state before the batch stands at this boundary: chunks are numbered from 1."""

Arguments = Mapping[str, Callable[[str], Any]]
"""Arguments of the job, with what reads the text of each."""


@dataclass(frozen=True)
class Batch:
    """The DataFrames that detectors work on; ``customer`` and ``merchant`` are text throughout.

    Attributes
    ----------
    increments
        What each chunk adds to a pair: ``merchant, customer, chunk, transactions, amount, seen_female, seen_male``.
    pairs
        State of the pairs that the batch touches: ``merchant, customer, transactions, amount, seen_female, seen_male``.
        A pair that is new has no row.
    merchants
        State of every merchant that the batch touches, zeros for a new one: ``merchant, transactions, female, male``.
    weighted_customers
        All customers with a weight, seen before or within the batch, of the merchants that are over the threshold of
        PatId1 at the batch's end (others do no harm): ``merchant, customer, transactions, weight``; ``transactions`` is
        their number before the batch.
    """

    increments: DataFrame
    pairs: DataFrame
    merchants: DataFrame
    weighted_customers: DataFrame

    def at_end(self, last_chunk: int) -> Batch:
        """Give the same batch as one chunk: what is detected there holds at the end of the batch."""
        keys = [F.col("merchant"), F.col("customer"), F.lit(last_chunk).alias("chunk")]
        increments = self.increments.groupBy(*keys).agg(
            F.sum("transactions").alias("transactions"),
            F.sum("amount").cast("decimal(24,2)").alias("amount"),
            F.bool_or("seen_female").alias("seen_female"),
            F.bool_or("seen_male").alias("seen_male"),
        )
        return replace(self, increments=increments)


def at_boundary_before(state: DataFrame) -> DataFrame:
    """Put state rows at the boundary before the batch, so that running totals begin with them."""
    return state.withColumn("chunk", F.lit(BEFORE))


def first_boundary(holds: DataFrame, *keys: str) -> DataFrame:
    """Give the first chunk of the batch for each key, from the boundaries at which its rule holds."""
    return holds.where(F.col("chunk") > BEFORE).groupBy(*keys).agg(F.min("chunk").alias("chunk"))
