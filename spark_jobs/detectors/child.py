"""PatId2, CHILD: a customer makes many transactions with a merchant, small ones on average."""

from __future__ import annotations

from decimal import Decimal

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from detectors.batch import Arguments, Batch, first_boundary

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
        ``merchant, customer, chunk, evidence``: each pair at the first boundary of the batch at which the rule holds.
    """
    frequent = batch.running.where(F.col("transactions") >= child_min_transactions)
    # Multiplied, not divided: a quotient would have to be rounded. These widths keep it exact: Spark cuts at 38 digits.
    limit = _in_cents(child_max_average) * F.col("transactions").cast("decimal(12,0)")
    cents = F.col("cents").cast("decimal(20,0)")
    return first_boundary(
        frequent.where(cents < limit),
        "merchant",
        "customer",
        numbers={"transactions": F.col("transactions"), "amount": (cents * F.lit("0.01").cast("decimal(2,2)")).cast("string")},
        rules={"child_min_transactions": child_min_transactions, "child_max_average": f"{child_max_average:f}"},
    )


def _in_cents(average: Decimal) -> Column:
    cents = average * 100
    places = max(0, -int(cents.normalize().as_tuple().exponent))
    whole = max(1, cents.adjusted() + 1)
    if whole > 11 or places > 14:
        raise ValueError(f"child_max_average {average} has more than 9 digits before the point or more than 16 after it")
    return F.lit(f"{cents:f}").cast(f"decimal({whole + places},{places})")
