"""PatId1, UPGRADE: among a big merchant's customers, one of the most active and of the least important.

No customer is ranked. The limit by weight follows from the weights of new customers (``detectors.places``); the limit by
transactions from how many customers have how many transactions, a few hundred numbers that each chunk changes a little. Then a
customer is compared with the two limits, at its own chunks and at those where a limit has become easier to meet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from detectors import places
from detectors.batch import BEFORE, NEVER, Arguments, Batch, first_boundary

PATTERN_ID = "PatId1"
ACTION_TYPE = "UPGRADE"
ARGUMENTS: Arguments = {"upgrade_percent": int, "upgrade_min_transactions": int}

_WEIGHT = "decimal(38,12)"


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
        ``merchant, customer, chunk, evidence``: each pair at the first boundary of the batch at which the rule holds. How many
        transactions the merchant has there is no part of the evidence: only that they are more than the threshold. Counting them
        boundary by boundary would take another pass over the rows.
    """
    spark = batch.increments.sparkSession
    by_weight = places.limits(batch.weights, upgrade_percent, batch.first_chunk, batch.last_chunk)
    if not by_weight:
        return spark.createDataFrame([], "merchant string, customer string, chunk int, evidence string")
    limits = _limits(batch, by_weight)
    if not all(known.ranked_before for known in batch.weights):
        limits = limits.join(F.broadcast(_over(batch, upgrade_min_transactions)), ["merchant", "chunk"])
    limits = limits.select("*", _is_easier().alias("is_easier"))
    holds = (
        _totals(batch, by_weight)
        .join(F.broadcast(limits), ["merchant", "chunk"])
        .where(
            ((F.col("chunk") == F.col("since")) | F.col("is_easier"))
            & (F.col("transactions") >= F.col("least_transactions"))
            & (F.col("weight") <= F.col("most_weight"))
        )
    )
    return first_boundary(
        holds,
        "merchant",
        "customer",
        numbers={
            "transactions": F.col("transactions"),
            "transactions_needed": F.col("least_transactions"),
            "weight": F.col("weight").cast("string"),
            "weight_limit": F.col("most_weight").cast("string"),
            "customers": F.col("ranked"),
        },
        rules={"upgrade_percent": upgrade_percent, "upgrade_min_transactions": upgrade_min_transactions},
    )


def _limits(batch: Batch, by_weight: Mapping[str, Sequence[places.Limit]]) -> DataFrame:
    """Give what a customer needs at each boundary: ``merchant, chunk, least_transactions, most_weight, ranked``."""
    boundaries = batch.increments.sparkSession.createDataFrame(
        [(merchant, [limit[1:] for limit in limits]) for merchant, limits in by_weight.items()],
        f"merchant string, boundaries array<struct<chunk int, place long, most_weight {_WEIGHT}, ranked long>>",
    )
    # A customer leaves the number of transactions that it had, and comes to another.
    moves = F.array(
        F.struct((F.col("transactions") - F.col("added")).alias("transactions"), F.lit(-1).cast("long").alias("customers")),
        F.struct("transactions", F.lit(1).cast("long").alias("customers")),
    )
    changes = (
        batch.running.where(F.col("weight").isNotNull())
        .select("merchant", F.col("chunk").alias("changed_at"), F.inline(moves))
        .where(F.col("transactions") > 0)
        .unionByName(batch.totals.select("merchant", F.lit(BEFORE).alias("changed_at"), "transactions", "customers"))
        .groupBy("merchant", "transactions", "changed_at")
        .agg(F.sum("customers").alias("customers"))
        # Every window below is within a merchant: what is left by now travels once more, not three times.
        .repartition("merchant")
    )
    so_far = Window.partitionBy("merchant", "transactions").orderBy("changed_at")
    from_top = Window.partitionBy("merchant", "chunk").orderBy(F.desc("transactions"))
    return (
        changes.select(
            "merchant",
            "transactions",
            "changed_at",
            F.lead("changed_at", 1, NEVER).over(so_far).alias("changed_again_at"),
            F.sum("customers").over(so_far).alias("customers_there"),
        )
        .join(F.broadcast(boundaries), "merchant")
        .select("merchant", "transactions", "customers_there", F.inline(_unchanged()))
        .select("*", F.sum("customers_there").over(from_top).alias("customers"))
        .where(F.col("customers") >= F.col("place"))
        .groupBy("merchant", "chunk")
        .agg(
            F.max("transactions").alias("least_transactions"),
            F.first("most_weight").alias("most_weight"),
            F.first("ranked").alias("ranked"),
        )
    )


def _unchanged() -> Column:
    """Give the part of ``boundaries`` from ``changed_at`` on and before ``changed_again_at``, looked up by place.

    Boundaries follow each other from the merchant's first one to the end of the batch. To compare each change with all of them
    would cost changes x boundaries.
    """
    first = F.col("boundaries")[0]["chunk"]
    since = F.greatest("changed_at", first)
    until = F.least("changed_again_at", first + F.size("boundaries"))
    return F.slice("boundaries", since - first + 1, F.greatest(until - since, F.lit(0)))


def _is_easier() -> Column:
    """Whether less is needed than at the boundary before; so too when that one is in another batch or does not count."""
    before = Window.partitionBy("merchant").orderBy("chunk")
    fewer = F.col("least_transactions") < F.lag("least_transactions").over(before)
    heavier = F.col("most_weight") > F.lag("most_weight").over(before)
    return F.coalesce(fewer | heavier, F.lit(True))


def _over(batch: Batch, upgrade_min_transactions: int) -> DataFrame:
    """Give the chunks that touch a merchant and leave it with more transactions than the threshold: ``merchant, chunk``.

    A chunk that does not touch the merchant changes neither its numbers nor its limits.
    """
    so_far = Window.partitionBy("merchant").orderBy("chunk")
    return (
        batch.merchants.select("merchant", F.lit(BEFORE).alias("chunk"), "transactions")
        .unionByName(batch.increments.groupBy("merchant", "chunk").agg(F.sum("transactions").alias("transactions")))
        .select("merchant", "chunk", F.sum("transactions").over(so_far).alias("transactions"))
        .where((F.col("chunk") > BEFORE) & (F.col("transactions") > upgrade_min_transactions))
        .select("merchant", "chunk")
    )


def _totals(batch: Batch, by_weight: Mapping[str, Sequence[places.Limit]]) -> DataFrame:
    """Give the customers' totals at every boundary of the batch: ``merchant, customer, since, chunk, transactions, weight``.

    ``since`` is the chunk that has made the total what it is, ``BEFORE`` if the state did. Left out are customers whose weight is
    too high at every boundary of their merchant. A row for each boundary, so that limits are looked up: to compare each total
    with all boundaries of its merchant would cost rows x boundaries.
    """
    # At its first chunk of the batch a customer still had for a while what it had before.
    totals = F.array(
        F.struct(F.col("chunk").alias("since"), "until", "transactions"),
        F.struct(
            F.when(F.col("is_first"), BEFORE).alias("since"),
            F.col("chunk").alias("until"),
            (F.col("transactions") - F.col("added")).alias("transactions"),
        ),
    )
    # The batch's own numbers come as rows: in the code that Spark generates they would make it another one for every batch.
    most = {merchant: max(limit.most_weight for limit in limits) for merchant, limits in by_weight.items()}
    ranked = batch.increments.sparkSession.createDataFrame(
        [(merchant, batch.first_chunk, batch.last_chunk, weight) for merchant, weight in most.items()],
        f"merchant string, first_chunk int, last_chunk int, most_weight {_WEIGHT}",
    )
    first, last = F.greatest("since", "first_chunk"), F.least(F.col("until") - 1, "last_chunk")
    return (
        batch.running.where(F.col("weight").isNotNull())
        .select("merchant", "customer", F.inline(totals), "weight")
        .where(F.col("since").isNotNull() & (F.col("transactions") > 0))
        .unionByName(batch.idle.select("*", F.lit(BEFORE).alias("since"), F.lit(NEVER).alias("until")))
        .join(F.broadcast(ranked), "merchant")
        .where((F.col("weight") <= F.col("most_weight")) & (first <= last))
        .select("merchant", "customer", "since", F.explode(F.sequence(first, last)).alias("chunk"), "transactions", "weight")
    )
