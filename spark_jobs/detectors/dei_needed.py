"""PatId3, DEI-NEEDED: a merchant has many female customers, but fewer than male ones."""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from detectors.batch import BEFORE, NEVER, Arguments, Batch, first_boundary

PATTERN_ID = "PatId3"
ACTION_TYPE = "DEI-NEEDED"
ARGUMENTS: Arguments = {"dei_min_female": int}


def detect(batch: Batch, *, dei_min_female: int) -> DataFrame:
    """Find the merchants with enough distinct female customers, and fewer of them than male ones.

    A customer counts at a merchant once, and as neither from the boundary on at which it has been seen there as both.

    Parameters
    ----------
    batch
        The batch.
    dei_min_female
        The merchant has more female customers than this.

    Returns
    -------
    DataFrame
        ``merchant, customer, chunk, evidence``: each merchant at the first boundary of the batch at which the rule holds;
        ``customer`` is empty.
    """
    so_far = Window.partitionBy("merchant").orderBy("chunk")
    counts = (
        batch.merchants.select("merchant", F.lit(BEFORE).alias("chunk"), "female", "male")
        .unionByName(_changes(batch))
        .repartition("merchant")  # so that it travels once for both, the sums and the window
        .groupBy("merchant", "chunk")
        .agg(F.sum("female").alias("female"), F.sum("male").alias("male"))
        .select(
            "merchant",
            "chunk",
            F.sum("female").over(so_far).alias("female"),
            F.sum("male").over(so_far).alias("male"),
        )
    )
    in_batch = counts.where(F.col("chunk") > BEFORE)
    holds = in_batch.where((F.col("female") > dei_min_female) & (F.col("female") < F.col("male")))
    numbers = {"female": F.col("female"), "male": F.col("male")}
    found = first_boundary(holds, "merchant", numbers=numbers, rules={"dei_min_female": dei_min_female})
    return found.select("*", F.lit("").alias("customer"))


def _changes(batch: Batch) -> DataFrame:
    """Give by how much customers change their merchant's numbers of female and male ones, and at which chunk.

    Of a merchant for which the rule cannot come to hold in the batch, none are there: its numbers stay what they were. Of one
    that has been detected only some may be: what is found there is known already, and the commit leaves it out.
    """
    genders = ("as_female", "as_male")
    first_seen = batch.pairs.select("merchant", *(F.coalesce(name, F.lit(NEVER)).alias(name) for name in genders))
    # A customer counts from the chunk on that shows the first gender, up to the one that shows the other.
    steps = F.array(
        F.struct(F.least("as_female", "as_male").alias("chunk"), F.lit(1).alias("step")),
        F.struct(F.greatest("as_female", "as_male").alias("chunk"), F.lit(-1).alias("step")),
    )
    is_female = F.col("as_female") < F.col("as_male")
    return (
        first_seen.where(F.col("as_female") != F.col("as_male"))
        .select("merchant", is_female.alias("is_female"), F.inline(steps))
        .where((F.col("chunk") > BEFORE) & (F.col("chunk") < NEVER))
        .select(
            "merchant",
            "chunk",
            F.when(F.col("is_female"), F.col("step")).otherwise(0).alias("female"),
            F.when(F.col("is_female"), 0).otherwise(F.col("step")).alias("male"),
        )
    )
