"""Run the job's own code on a small feed: the proof that the Spark Connect server works, and what makes the first job quick.

``python -m local.spark_warmup DIRECTORY`` with ``SPARK_REMOTE`` set; DIRECTORY takes the feed. Nothing is staged. Without it the
first batch takes half a minute longer, because a new Java process still has everything to load and to compile.
"""

from __future__ import annotations

import itertools
import shutil
import sys
from decimal import Decimal
from pathlib import Path

from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from local.config import CHECKOUT
from local.generate import generate

sys.path.append(str(CHECKOUT / "spark_jobs"))

from detectors import detect_all
from detectors.batch import Batch
from detectors.importance import read_importance, weights
from detectors.places import KnownWeight
from detectors.session import SMALL_ROWS, fit_to_size
from detectors.transactions import read_chunks, rows_counted, rows_observed, totals

_ROWS = 100_000
_CHUNKS = 10
_RULES = {
    "upgrade_percent": 10,
    "upgrade_min_transactions": 10_000,
    "child_min_transactions": 20,
    "child_max_average": Decimal(23),
    "dei_min_female": 100,
}


def main(directory: Path) -> None:
    """Read, aggregate, weigh and detect, as a batch of ten chunks does."""
    spark = SparkSession.builder.getOrCreate()
    folder = directory / "warm-up"
    chunks, importance, columns = _feed(folder)
    weighted = weights(read_importance(spark, [importance.as_uri()]), "customer_merchant")
    transactions = read_chunks(spark, [chunk.as_uri() for chunk in chunks], columns)
    row_count = Observation()
    totals(rows_observed(transactions, row_count, _CHUNKS)).write.format("noop").mode("overwrite").save()
    pairs = totals(transactions)
    new = pairs.join(weighted, ["merchant", "customer"], "left")
    nobody = new.where(F.lit(False))
    known = new.where(F.col("weight").isNotNull())
    weights_of_new = known.select("merchant", F.lit(False), F.lit(0), "first_chunk", "weight", F.lit(None)).collect()
    batch = Batch(
        first_chunk=1,
        last_chunk=_CHUNKS,
        transactions=transactions,
        merchants=_zeros(pairs.select("merchant").distinct(), "transactions", "female", "male"),
        pairs=new.withColumn("transactions", F.lit(0)).withColumn("amount", F.lit(0).cast("decimal(24,2)")),
        totals=nobody.select("merchant", "transactions", F.lit(0).cast("long").alias("customers")),
        idle=nobody.select("merchant", "customer", "transactions", "weight"),
        weights=[KnownWeight(*row) for row in weights_of_new],
    )
    for rows in (SMALL_ROWS + 1, _ROWS):  # the feed is a small one: Spark plans it as both
        fit_to_size(spark, rows)
        found = detect_all(batch, _RULES).toArrow()
    rows_counted(row_count)  # what it gives, the job checks itself, and counts again where it differs
    if found.num_rows == 0:
        raise SystemExit("Spark finds nothing in the warm-up feed")
    # The session stays: it is the jobs' own.
    shutil.rmtree(folder)


def _feed(folder: Path) -> tuple[list[Path], Path, list[str]]:
    """Generate the feed and cut it as landing would; give chunks, importance and columns."""
    folder.mkdir(exist_ok=True)
    transactions, importance = folder / "transactions.csv", folder / "importance.csv"
    generate(transactions, importance, rows=_ROWS, seed=0)
    chunks = []
    with transactions.open() as rows:
        header = next(rows)
        for number in range(1, _CHUNKS + 1):
            chunks.append(folder / f"chunk-{number:06d}.csv")
            chunks[-1].write_text(header + "".join(itertools.islice(rows, _ROWS // _CHUNKS)))
    return chunks, importance, header.strip().split(",")


def _zeros(keys: DataFrame, *columns: str) -> DataFrame:
    return keys.select("*", *(F.lit(0).cast("long").alias(name) for name in columns))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
