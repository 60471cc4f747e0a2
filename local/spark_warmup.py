"""Run a few small queries on the Spark Connect server: the proof that it works, and what makes the first job quick.

``python -m local.spark_warmup DIRECTORY`` with ``SPARK_REMOTE`` set; DIRECTORY takes a small CSV file.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pyspark.sql import SparkSession, Window
from pyspark.sql import functions as F


def main(directory: Path) -> None:
    """Read CSV, aggregate, rank, and count."""
    spark = SparkSession.builder.getOrCreate()
    if spark.range(1).count() != 1:
        raise SystemExit("spark.range(1).count() is not 1")
    csv = directory / "warm-up.csv"
    csv.write_text("customer,merchant,amount\n" + "".join(f"'C{n % 7}','M{n % 3}',{n}.25\n" for n in range(200)))
    rows = spark.read.csv(csv.as_uri(), header=True, schema="customer string, merchant string, amount string")
    pairs = (
        rows.withColumn("amount", F.btrim("amount", F.lit(" '")).cast("decimal(15,2)"))
        .groupBy("merchant", "customer")
        .agg(F.count("*").alias("transactions"), F.sum("amount").alias("amount"))
    )
    ranked = pairs.withColumn("place", F.rank().over(Window.partitionBy("merchant").orderBy(F.desc("transactions"))))
    if ranked.join(pairs, ["merchant", "customer"]).filter("place = 1").count() == 0:
        raise SystemExit("a ranking over 200 rows is empty")
    spark.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
