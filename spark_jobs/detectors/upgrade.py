"""PatId1, UPGRADE: among a big merchant's customers, one of the most active and of the least important."""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from detectors.batch import BEFORE, Arguments, Batch, at_boundary_before, first_boundary

PATTERN_ID = "PatId1"
ACTION_TYPE = "UPGRADE"
ARGUMENTS: Arguments = {"upgrade_percent": int, "upgrade_min_transactions": int}


def detect(batch: Batch, *, upgrade_percent: int, upgrade_min_transactions: int) -> DataFrame:
    """Find the customers in the top percent by transactions and in the bottom percent by weight of a big merchant.

    Parameters
    ----------
    batch
        The batch.
    upgrade_percent
        Size of the top and of the bottom, in percent of the merchant's customers that have a weight.
    upgrade_min_transactions
        The merchant has more transactions than this.

    Returns
    -------
    DataFrame
        ``merchant, customer, chunk``: each pair at the first boundary of the batch at which the rule holds.
    """
    totals = _totals_at(_boundaries(batch, upgrade_min_transactions), batch)
    limits = F.broadcast(_limits(totals, upgrade_percent))
    holds = totals.join(limits, ["merchant", "chunk"]).where(
        (F.col("transactions") >= F.col("least_transactions")) & (F.col("weight") <= F.col("most_weight"))
    )
    return first_boundary(holds, "merchant", "customer")


def _limits(totals: DataFrame, percent: int) -> DataFrame:
    """Give what a customer needs at each boundary: ``merchant, chunk, least_transactions, most_weight``.

    Of n customers, those qualify whose rank fulfils ``100 * (rank - 1) <= percent * (n - 1)``: that is, at most
    ``percent * (n - 1) // 100`` customers stand before them. Whole numbers: the same set as quantiles with linear interpolation,
    without their rounding. So the next one in order is the last whose value qualifies, and all that tie with it.
    """
    before = percent * (F.size("by_transactions") - 1)
    last = ((before - before % 100) / 100).cast("int") + 1
    return (
        totals.groupBy("merchant", "chunk")
        .agg(
            F.sort_array(F.collect_list("transactions"), asc=False).alias("by_transactions"),
            F.sort_array(F.collect_list("weight")).alias("by_weight"),
        )
        .select(
            "merchant",
            "chunk",
            F.element_at("by_transactions", last).alias("least_transactions"),
            F.element_at("by_weight", last).alias("most_weight"),
        )
    )


def _boundaries(batch: Batch, upgrade_min_transactions: int) -> DataFrame:
    """Give where customers must be ranked: chunks that touch a merchant over the threshold; and the boundary before.

    A chunk that does not touch the merchant changes neither its numbers nor its ranks.
    """
    so_far = Window.partitionBy("merchant").orderBy("chunk")
    added = batch.increments.groupBy("merchant", "chunk").agg(F.sum("transactions").alias("transactions"))
    return (
        at_boundary_before(batch.merchants)
        .select("merchant", "chunk", "transactions")
        .unionByName(added)
        .select("merchant", "chunk", F.sum("transactions").over(so_far).alias("transactions"))
        .where((F.col("chunk") == BEFORE) | (F.col("transactions") > upgrade_min_transactions))
        .select("merchant", "chunk")
    )


def _totals_at(boundaries: DataFrame, batch: Batch) -> DataFrame:
    """Give weight and transactions so far of each customer seen so far, at each boundary."""
    columns = ["merchant", "customer", "chunk", "weight", "transactions"]
    at_boundaries = batch.weighted_customers.join(F.broadcast(boundaries), "merchant").withColumn(
        "transactions", F.when(F.col("chunk") == BEFORE, F.col("transactions")).otherwise(0)
    )
    increments = batch.increments.withColumn("weight", F.lit(None).cast("decimal(38,12)"))
    # The default frame ends with all rows of the same chunk: a boundary's own row and the increment there, if any.
    so_far = Window.partitionBy("merchant", "customer").orderBy("chunk")
    return (
        at_boundaries.select(columns)
        .unionByName(increments.select(columns))
        .withColumn("transactions", F.sum("transactions").over(so_far))
        .where(F.col("weight").isNotNull() & (F.col("chunk") > BEFORE) & (F.col("transactions") > 0))
    )
