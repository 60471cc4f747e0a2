"""PatId1, UPGRADE: among a big merchant's customers, one of the most active and of the least important.

No customer is ranked. What the last one that qualifies has, by transactions and by weight, is worked out for each boundary from a
few numbers (``detectors.places``). Then a customer is compared with these limits, at its own chunks and at those where a limit
has become easier to meet.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, DecimalType, StructType

from detectors import places
from detectors.batch import BEFORE, NEVER, Arguments, Batch, first_boundary

PATTERN_ID = "PatId1"
ACTION_TYPE = "UPGRADE"
ARGUMENTS: Arguments = {"upgrade_percent": int, "upgrade_min_transactions": int}

_WEIGHT = DecimalType(38, 12)
# Not as text, which Spark would have to be asked to read.
_BOUNDARY = (
    StructType()
    .add("chunk", "integer")
    .add("least_transactions", "long")
    .add("most_weight", _WEIGHT)
    .add("ranked", "long")
    .add("is_easier", "boolean")
)
_BOUNDARIES = (
    StructType()
    .add("merchant", "string")
    .add("boundaries", ArrayType(_BOUNDARY))
    .add("fewest_transactions", "long")
    .add("greatest_weight", _WEIGHT)
)


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
    spark = batch.transactions.sparkSession
    by_weight = places.limits(batch.weights, upgrade_percent, batch.first_chunk, batch.last_chunk)
    if not by_weight:
        return spark.createDataFrame([], "merchant string, customer string, chunk int, evidence string")
    # The batch's own numbers come as rows: in the code that Spark generates they would make it another one for every batch.
    boundaries = spark.createDataFrame(
        list(_boundaries(by_weight, batch.moves, _over_since(batch, upgrade_min_transactions))), _BOUNDARIES
    )
    # To compare each of the customers' totals with all boundaries of the merchant would cost totals x boundaries: most customers
    # are never light enough or never active enough, and the others meet the boundaries from `since` up to before `until` alone.
    first = F.col("boundaries")[0]["chunk"]
    begin, end = F.greatest("since", first), F.least("until", first + F.size("boundaries"))
    while_it_stood = F.slice("boundaries", begin - first + 1, F.greatest(end - begin, F.lit(0)))

    def qualifies(boundary: Column) -> Column:
        return (
            ((boundary["chunk"] == F.col("since")) | boundary["is_easier"])
            & (F.col("transactions") >= boundary["least_transactions"])
            & (F.col("weight") <= boundary["most_weight"])
        )

    holds = (
        _totals(batch)
        .join(F.broadcast(boundaries), "merchant")
        .where((F.col("transactions") >= F.col("fewest_transactions")) & (F.col("weight") <= F.col("greatest_weight")))
        .select("*", F.get(F.filter(while_it_stood, qualifies), F.lit(0)).alias("met"))
        .where(F.col("met").isNotNull())
        .select("merchant", "customer", "transactions", "weight", "met.*")
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


def _over_since(batch: Batch, upgrade_min_transactions: int) -> dict[str, int]:
    """Give the chunk that brings a merchant over the threshold, or ``NEVER``, for those that were not over it before."""
    not_before = sorted({known.merchant for known in batch.weights if not known.ranked_before})
    if not not_before:
        return {}
    asked = batch.transactions.sparkSession.createDataFrame([(merchant,) for merchant in not_before], "merchant string")
    so_far = Window.partitionBy("merchant").orderBy("chunk")
    rows = (
        batch.merchants.select("merchant", F.lit(BEFORE).alias("chunk"), "transactions")
        .unionByName(batch.transactions.select("merchant", "chunk", F.lit(1).alias("transactions")))
        .join(F.broadcast(asked), "merchant")
        .groupBy("merchant", "chunk")
        .agg(F.sum("transactions").alias("transactions"))
        .select("merchant", "chunk", F.sum("transactions").over(so_far).alias("transactions"))
        .where(F.col("transactions") > upgrade_min_transactions)
        .groupBy("merchant")
        .agg(F.min("chunk"))
    )
    return dict.fromkeys(not_before, NEVER) | dict(map(tuple, rows.collect()))


def _boundaries(
    by_weight: Mapping[str, Iterable[places.Limit]], moves: Mapping[str, Sequence[places.Move]], over_since: Mapping[str, int]
) -> Iterator[tuple[Any, ...]]:
    """Give each merchant's boundaries from the first that counts to the batch's last, and the easiest limits among them.

    A boundary is easier if less is needed than at the one before; so is the first: the one before is in another batch, or does
    not count.
    """
    for merchant, limits in by_weight.items():
        counting = [limit for limit in limits if limit.chunk >= over_since.get(merchant, BEFORE)]
        found: list[tuple[int, int, Any, int, bool]] = []
        for limit, least in zip(counting, places.least_transactions(counting, moves[merchant]), strict=True):
            easier = not found or least < found[-1][1] or limit.most_weight > found[-1][2]
            found.append((limit.chunk, least, limit.most_weight, limit.customers, easier))
        if found:
            yield merchant, found, min(boundary[1] for boundary in found), max(boundary[2] for boundary in found)


def _totals(batch: Batch) -> DataFrame:
    """Give the totals of customers with a weight: ``merchant, customer, since, until, transactions, weight``.

    ``since`` is the chunk that has made the total what it is, ``BEFORE`` if the state did; ``until`` the one that changes it.
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
    return (
        batch.running.where(F.col("weight").isNotNull())
        .select("merchant", "customer", F.inline(totals), "weight")
        .where(F.col("since").isNotNull() & (F.col("transactions") > 0))
        .unionByName(batch.idle.select("*", F.lit(BEFORE).alias("since"), F.lit(NEVER).alias("until")))
    )
