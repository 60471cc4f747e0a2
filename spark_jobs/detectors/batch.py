"""What a detector sees of a batch: what its chunks add, and the state before it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from detectors.places import KnownWeight, Move
from detectors.session import kept

BEFORE = 0
"""The state before the batch stands at this boundary: chunks are numbered from 1."""

NEVER = 2**31 - 1
"""Behind every boundary."""

_OfChunk = TypeVar("_OfChunk", KnownWeight, Move)

Arguments = Mapping[str, Callable[[str], Any]]
"""Arguments of the job, with what reads the text of each."""


@dataclass(frozen=True)
class Batch:
    """The DataFrames that detectors work on; ``customer`` and ``merchant`` are text throughout.

    What is read of the state are the rows of one kind each of ``batch_state`` in ``include/sql/views.sql``.

    Attributes
    ----------
    first_chunk, last_chunk
        The batch's chunks, both included.
    transactions
        What ``detectors.transactions.read_chunks`` gives.
    running
        What :func:`running_totals` gives.
    merchants
        ``merchant``: every merchant that the batch touches, ``merchant, transactions, female, male``.
    pairs
        ``pair``: the pairs of the batch that a rule may come to hold for, ``merchant, customer, transactions, amount, weight,
        as_female, as_male``. The totals are those before the batch, zeros for a new pair, and null where they decide nothing.
        ``as_...`` is the chunk from which on the pair has been seen as that gender, ``BEFORE`` if it was before the batch; null
        if it has not, and where that decides nothing.
    idle
        ``idle``: ``merchant, customer, transactions, weight`` of customers of the merchants that PatId1 ranks: those that the
        batch does not touch, but for whom the rule may come to hold.
    weights
        ``weight``: the weights that decide which ones are low; empty when there is no merchant to rank.
    moves
        What :func:`moves` gives.
    """

    first_chunk: int
    last_chunk: int
    transactions: DataFrame
    running: DataFrame
    merchants: DataFrame
    pairs: DataFrame
    idle: DataFrame
    weights: Sequence[KnownWeight]
    moves: Mapping[str, Sequence[Move]]

    def at_end(self) -> Batch:
        """Give the same batch as one chunk: what is detected there holds at the end of the batch."""
        last = F.lit(self.last_chunk)
        seen = {name: F.when(F.col(name) > BEFORE, last).otherwise(F.col(name)) for name in ("as_female", "as_male")}
        return replace(
            self,
            first_chunk=self.last_chunk,
            transactions=self.transactions.withColumn("chunk", last),
            # What a pair had last it has at the end, and what it had before the batch it has no longer.
            running=self.running.where(F.col("until") == NEVER).withColumns({"chunk": last, "is_first": F.lit(False)}),
            pairs=self.pairs.withColumns(seen),
            weights=_at_chunk(self.weights, self.last_chunk),
            moves={merchant: _at_chunk(found, self.last_chunk) for merchant, found in self.moves.items()},
        )


def _at_chunk(rows: Sequence[_OfChunk], chunk: int) -> list[_OfChunk]:
    """Move what a batch's chunks have brought to one of them; what stood before the batch stays."""
    return [row if row.chunk == BEFORE else row._replace(chunk=chunk) for row in rows]


def running_totals(transactions: DataFrame, pairs: DataFrame) -> DataFrame:
    """Give the totals of pairs at each chunk that adds to them; Spark works them out once for all detectors.

    Pairs without totals before the batch (null) are left out.

    Parameters
    ----------
    transactions, pairs
        Those of a :class:`Batch`.

    Returns
    -------
    DataFrame
        ``merchant, customer, chunk, until, added, transactions, cents, weight, is_first``: ``until`` is the pair's next chunk of
        the batch, or ``NEVER``; ``added`` is of the chunk; ``is_first`` says whether it is the pair's first chunk of the batch.
    """
    before = pairs.where(F.col("transactions").isNotNull()).select(
        "merchant",
        "customer",
        F.col("transactions").alias("transactions_before"),
        (F.col("amount") * 100).cast("long").alias("cents_before"),
        "weight",
    )
    # The customer first: Spark sorts by the beginning of the first column, of which a few merchants share one.
    by_chunk = Window.partitionBy("customer", "merchant").orderBy("chunk")
    so_far = by_chunk.rowsBetween(Window.unboundedPreceding, 0)
    one = F.count(F.lit(1))
    each = transactions.join(before, ["customer", "merchant"]).select(
        "merchant",
        "customer",
        "chunk",
        F.lead("chunk", 1, NEVER).over(by_chunk).alias("until"),
        one.over(by_chunk.rangeBetween(0, 0)).alias("added"),
        (F.col("transactions_before") + one.over(so_far)).alias("transactions"),
        (F.col("cents_before") + F.sum("cents").over(so_far)).alias("cents"),
        "weight",
        (F.min("chunk").over(so_far) == F.col("chunk")).alias("is_first"),
    )
    # Of a pair's transactions of a chunk the last has the totals at its boundary. To add them up first would take longer when
    # they are many: the more customers a feed has, the fewer transactions of a pair meet in a chunk.
    return kept(each.where(F.col("until") > F.col("chunk")))


def moves(running: DataFrame, totals: DataFrame) -> dict[str, list[Move]]:
    """Give by merchant how its customers with a weight change their numbers of transactions, and those before the batch.

    Parameters
    ----------
    running
        That of a :class:`Batch`.
    totals
        Rows ``total`` of the state: ``merchant, transactions, customers`` of the merchants that PatId1 ranks, from the number of
        transactions on that a customer needs at least.
    """
    numbers = ("merchant", "chunk", "transactions", "added")
    come = running.where(F.col("weight").isNotNull()).groupBy(*numbers).agg(F.count(F.lit(1)).alias("customers"))
    were = totals.withColumns({"chunk": F.lit(BEFORE), "added": F.col("transactions")})
    found: dict[str, list[Move]] = defaultdict(list)
    for merchant, chunk, transactions, added, customers in come.unionByName(were).collect():
        found[merchant].append(Move(chunk, transactions, customers))
        if added < transactions:  # they leave the number that they had
            found[merchant].append(Move(chunk, transactions - added, -customers))
    return found


def first_boundary(holds: DataFrame, *keys: str, numbers: Mapping[str, Column], rules: Mapping[str, Any]) -> DataFrame:
    """Give the first chunk of the batch at which the rule holds for each key, with the evidence.

    Parameters
    ----------
    holds
        The boundaries at which the rule holds, each with the numbers of that boundary. When a key has several rows for one, that
        with the greatest numbers counts.
    keys
        The columns that make up a key.
    numbers
        What the rule has compared, by name: whole numbers as such, others as text, so that JSON keeps every digit.
    rules
        What it has compared them with, likewise.

    Returns
    -------
    DataFrame
        The keys, ``chunk``, and ``evidence``: numbers and rules as a JSON object.
    """
    boundary = (-F.col("chunk")).alias("boundary")
    first = F.max(F.struct(boundary, *(number.alias(name) for name, number in numbers.items())))
    evidence = F.struct(
        *(F.col(f"first.{name}").alias(name) for name in numbers), *(F.lit(value).alias(name) for name, value in rules.items())
    )
    return (
        holds.groupBy(*keys)
        .agg(first.alias("first"))
        .select(*keys, (-F.col("first.boundary")).alias("chunk"), F.to_json(evidence).alias("evidence"))
    )
