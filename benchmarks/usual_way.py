"""Comparison (b): the usual way in which this exercise is solved in Spark.

For each chunk: download the whole file from Drive, write this chunk's rows beside those of the chunks before, read them all, and
compute every pattern anew with groupBy, quantiles and joins. It keeps no state but what it has reported. It runs on the same warm
Spark, and in one session all along, which spares it the start of a process and the imports.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench, new_feed
from benchmarks.feeds import CHUNK_ROWS, Files
from benchmarks.numbers import sum_between

STRIDE = 20  # every twentieth chunk is measured; what lies between is interpolated


@dataclass(frozen=True)
class ChunkCost:
    """Seconds for one chunk, and of them for the download."""

    seconds: float
    download: float


@dataclass
class Curve:
    """Seconds by chunk number."""

    chunks: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    parts: dict[str, list[float]] = field(default_factory=lambda: {"download": []})

    def total(self, last: int) -> float:
        """Seconds for all chunks up to one; those that were not measured are interpolated."""
        return sum_between(self.chunks, self.seconds, 1, last)


class UsualWay:
    """A session on the warm Spark, with the files on Drive.

    Parameters
    ----------
    spark
        The session.
    bench
        The stack.
    files
        The feed.
    folder
        Where it works.
    """

    def __init__(self, spark: Any, bench: Bench, files: Files, folder: Path) -> None:
        from feeds.drive import DriveHook

        self._spark, self._files, self._folder = spark, files, folder
        self._drive = DriveHook()
        folder_id = bench.put_on_drive(files, new_feed(files))
        self._file_id = self._drive.find_file("transactions.csv", folder_id)
        (folder / "chunks").mkdir(parents=True)
        with files.transactions.open("rb") as source:
            self._header = next(source)
            for number in range(1, files.chunks + 1):
                self._chunk(number).write_bytes(self._header + b"".join(islice(source, CHUNK_ROWS)))

    def every(self, stride: int) -> Curve:
        """Measure some chunks, the first and the last among them."""
        return self.at({1, *range(stride, self._files.chunks + 1, stride), self._files.chunks})

    def at(self, chunks: Collection[int]) -> Curve:
        """Measure these chunks."""
        curve = Curve()
        for number in sorted(chunks):
            cost = self.chunk(number)
            curve.chunks.append(number)
            curve.seconds.append(round(cost.seconds, 3))
            curve.parts["download"].append(round(cost.download, 3))
        return curve

    def chunk(self, number: int) -> ChunkCost:
        """Do what is done when a chunk has come due."""
        started = time.monotonic()
        self._download(number)
        downloaded = time.monotonic() - started
        detected(self._spark, [str(self._chunk(k)) for k in range(1, number + 1)], str(self._files.importance))
        return ChunkCost(time.monotonic() - started, downloaded)

    def _download(self, number: int) -> None:
        whole = self._folder / "whole.csv"
        with whole.open("wb") as target:
            self._drive.download_file(self._file_id, target)
        with whole.open("rb") as source:
            rows = islice(source, 1 + (number - 1) * CHUNK_ROWS, 1 + number * CHUNK_ROWS)
            self._chunk(number).write_bytes(self._header + b"".join(rows))

    def _chunk(self, number: int) -> Path:
        return self._folder / "chunks" / f"chunk-{number:06d}.csv"


@contextmanager
def prepared(bench: Bench, files: Files) -> Iterator[UsualWay]:
    """Open a session, bring the files into place, and let Spark compile its code on a first chunk that is not counted."""
    from pyspark.sql import SparkSession

    folder = bench.stack.directory / "usual-way"
    shutil.rmtree(folder, ignore_errors=True)
    spark = SparkSession.builder.remote(bench.addresses.spark_remote).create()
    try:
        way = UsualWay(spark, bench, files, folder)
        way.chunk(min(2, files.chunks))
        yield way
    finally:
        spark.stop()
        shutil.rmtree(folder, ignore_errors=True)


def detected(spark: Any, chunks: list[str], importance: str) -> set[tuple[str, str, str]]:
    """Find pattern, customer and merchant over all rows so far."""
    from pyspark.sql import functions as F

    def clean(column: str) -> Any:
        return F.regexp_replace(column, "'", "").alias(column)

    rows = spark.read.csv(chunks, header=True).select(
        clean("customer"), clean("merchant"), clean("gender"), F.col("amount").cast("decimal(15,2)").alias("amount")
    )
    weights = spark.read.csv(importance, header=True)
    weights = weights.groupBy(clean("Source").alias("customer"), clean("Target").alias("merchant")).agg(
        F.avg(F.col("Weight").cast("double")).alias("weight")
    )
    pairs = rows.groupBy("merchant", "customer").agg(F.count("*").alias("n"), F.avg("amount").alias("average"))
    big = rows.groupBy("merchant").count().where("count > 50000").select("merchant")
    ranked = pairs.join(big, "merchant").join(weights, ["merchant", "customer"])
    limits = ranked.groupBy("merchant").agg(
        F.expr("percentile(n, 0.9)").alias("most"), F.expr("percentile(weight, 0.1)").alias("least")
    )
    upgrade = ranked.join(limits, "merchant").where("n >= most and weight <= least")
    child = pairs.where("n >= 80 and average < 23")
    genders = rows.groupBy("merchant").agg(
        F.expr("count(distinct case when gender = 'F' then customer end)").alias("female"),
        F.expr("count(distinct case when gender = 'M' then customer end)").alias("male"),
    )
    dei = genders.where("female > 100 and female < male").withColumn("customer", F.lit(""))
    found: set[tuple[str, str, str]] = set()
    for pattern, holds in (("PatId1", upgrade), ("PatId2", child), ("PatId3", dei)):
        found |= {(pattern, row.customer, row.merchant) for row in holds.select("customer", "merchant").collect()}
    return found
