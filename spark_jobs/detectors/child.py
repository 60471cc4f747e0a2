"""PatId2, CHILD: a customer makes many transactions with a merchant, small ones on average."""

from __future__ import annotations

from decimal import Decimal

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from detectors.batch import Arguments, Batch, at_boundary_before, first_boundary

PATTERN_ID = "PatId2"
ACTION_TYPE = "CHILD"
ARGUMENTS: Arguments = {"child_min_transactions": int, "child_max_average": Decimal}


def detect(batch: Batch, *, child_min_transactions: int, child_max_average: Decimal) -> DataFrame:
    """Find the pairs with enough transactions whose average amount is below the limit.

    Parameters
    ----------
    batch
        The batch.
    child_min_transactions
        The pair has at least as many transactions.
    child_max_average
        Their average amount is below this; at most 9 digits before the point and 16 after it.

    Returns
    -------
    DataFrame
        ``merchant, customer, chunk``: each pair at the first boundary of the batch at which the rule holds.
    """
    columns = ["merchant", "customer", "chunk", "transactions", "amount"]
    so_far = Window.partitionBy("merchant", "customer").orderBy("chunk")
    totals = (
        at_boundary_before(batch.pairs)
        .select(columns)
        .unionByName(batch.increments.select(columns))
        .select(
            "merchant",
            "customer",
            "chunk",
            # These widths keep the comparison below exact: Spark would cut decimals of more than 38 digits.
            F.sum("transactions").over(so_far).cast("decimal(12,0)").alias("transactions"),
            F.sum("amount").over(so_far).cast("decimal(24,2)").alias("amount"),
        )
    )
    # Multiplied, not divided: a quotient would have to be rounded.
    holds = totals.where(
        (F.col("transactions") >= child_min_transactions)
        & (F.col("amount") < _literal(child_max_average) * F.col("transactions"))
    )
    return first_boundary(holds, "merchant", "customer")


def _literal(limit: Decimal) -> Column:
    places = max(0, -int(limit.normalize().as_tuple().exponent))
    whole = max(1, limit.adjusted() + 1)
    if whole > 9 or places > 16:
        raise ValueError(f"child_max_average {limit} has more than 9 digits before the point or more than 16 after it")
    return F.lit(f"{limit:f}").cast(f"decimal({whole + places},{places})")
