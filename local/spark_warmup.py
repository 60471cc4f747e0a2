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

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from local.config import CHECKOUT
from local.generate import generate

sys.path.append(str(CHECKOUT / "spark_jobs"))

from detectors import detect_all
from detectors.batch import Batch, moves, running_totals
from detectors.importance import read_importance, weights
from detectors.places import KnownWeight
from detectors.session import SMALL_ROWS, fit_to_size, kept
from detectors.transactions import read_chunks, rows_by_chunk, totals

_ROWS = 100_000
_CHUNKS = 10
_SMALL_ROUNDS = 4  # they took 7, 4, 4 and 3 s beside Airflow's start; two more took 3 s each
_RULES = {
    "upgrade_percent": 10,
    "upgrade_min_transactions": 10_000,
    "child_min_transactions": 20,
    "child_max_average": Decimal(23),
    "dei_min_female": 100,
}


def main(directory: Path) -> None:
    """Do what a batch of ten chunks does, planned as a large one and then, as long as it pays, as a small one."""
    spark = SparkSession.builder.getOrCreate()
    folder = directory / "warm-up"
    chunks, importance, columns = _feed(folder)
    for rows in (SMALL_ROWS + 1, *[_ROWS] * _SMALL_ROUNDS):
        fit_to_size(spark, rows)
        weighted = weights(read_importance(spark, [importance.as_uri()]), "customer_merchant")
        transactions = kept(read_chunks(spark, [chunk.as_uri() for chunk in chunks], columns))
        if sum(rows_by_chunk(transactions).values()) != _ROWS or not detect_all(_batch(transactions, weighted), _RULES):
            raise SystemExit("Spark does not find in the warm-up feed what is there")
    # The session stays: it is the jobs' own.
    shutil.rmtree(folder)


def _batch(transactions: DataFrame, weighted: DataFrame) -> Batch:
    """Give the first batch of a feed, for which nothing is to be read of a state."""
    pairs = totals(transactions)
    pairs.write.format("noop").mode("overwrite").save()
    new = pairs.join(weighted, ["merchant", "customer"], "left").select(
        *("merchant", "customer", F.lit(0).cast("long").alias("transactions"), F.lit(0).cast("decimal(24,2)").alias("amount")),
        *(F.col("first_female").alias("as_female"), F.col("first_male").alias("as_male"), "weight", "first_chunk"),
    )
    nobody = new.where(F.lit(False))
    known = new.where(F.col("weight").isNotNull())
    weights_of_new = known.select("merchant", F.lit(False), F.lit(0), "first_chunk", "weight", F.lit(None)).collect()
    running = running_totals(transactions, new)
    zeros = (F.lit(0).cast("long").alias(name) for name in ("transactions", "female", "male"))
    return Batch(
        first_chunk=1,
        last_chunk=_CHUNKS,
        transactions=transactions,
        running=running,
        merchants=pairs.select("merchant").distinct().select("merchant", *zeros),
        pairs=new,
        idle=nobody.select("merchant", "customer", "transactions", "weight"),
        weights=[KnownWeight(*row) for row in weights_of_new],
        moves=moves(running, nobody.select("merchant", "transactions", F.lit(0).cast("long").alias("customers"))),
    )


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


if __name__ == "__main__":
    main(Path(sys.argv[1]))
