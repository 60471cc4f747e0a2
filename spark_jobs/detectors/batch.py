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
from detectors.transactions import by_pair

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
    increments
        What ``detectors.transactions.increments`` gives.
    running
        What :func:`running_totals` gives.
    merchants
        ``merchant``: every merchant that the batch touches, ``merchant, transactions, female, male``.
    pairs
        ``pair``: the pairs of the batch that a rule may come to hold for, ``merchant, customer, transactions, amount,
        seen_female, seen_male, weight``; zeros for a new one. They are few of those that the batch touches.
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
    increments: DataFrame
    running: DataFrame
    merchants: DataFrame
    pairs: DataFrame
    idle: DataFrame
    weights: Sequence[KnownWeight]
    moves: Mapping[str, Sequence[Move]]

    def at_end(self) -> Batch:
        """Give the same batch as one chunk: what is detected there holds at the end of the batch."""
        at_end = by_pair(self.increments, F.lit(self.last_chunk).alias("chunk"))
        running = running_totals(at_end, self.pairs)
        weights = _at_chunk(self.weights, self.last_chunk)
        moved = {merchant: _at_chunk(found, self.last_chunk) for merchant, found in self.moves.items()}
        return replace(self, first_chunk=self.last_chunk, increments=at_end, running=running, weights=weights, moves=moved)


def _at_chunk(rows: Sequence[_OfChunk], chunk: int) -> list[_OfChunk]:
    """Move what a batch's chunks have brought to one of them; what stood before the batch stays."""
    return [row if row.chunk == BEFORE else row._replace(chunk=chunk) for row in rows]


def running_totals(increments: DataFrame, pairs: DataFrame) -> DataFrame:
    """Give the totals of pairs at each chunk that adds to them; Spark works them out once for all detectors.

    Parameters
    ----------
    increments, pairs
        Those of a :class:`Batch`.

    Returns
    -------
    DataFrame
        ``merchant, customer, chunk, until, added, transactions, cents, as_female, as_male, weight, is_first``: ``until`` is the
        pair's next chunk of the batch, or ``NEVER``; ``added`` is of the chunk, ``as_...`` the chunk if it shows that gender,
        ``BEFORE`` if the state does; ``is_first`` says whether it is the pair's first chunk of the batch.
    """
    before = pairs.select(
        "merchant",
        "customer",
        F.col("transactions").alias("transactions_before"),
        (F.col("amount") * 100).cast("long").alias("cents_before"),
        F.col("seen_female").alias("female_before"),
        F.col("seen_male").alias("male_before"),
        "weight",
    )
    # The customer first: Spark sorts by the beginning of the first column, of which a few merchants share one.
    by_chunk = Window.partitionBy("customer", "merchant").orderBy("chunk")
    so_far = by_chunk.rowsBetween(Window.unboundedPreceding, 0)
    return kept(
        increments.join(before, ["customer", "merchant"]).select(
            "merchant",
            "customer",
            "chunk",
            F.lead("chunk", 1, NEVER).over(by_chunk).alias("until"),
            F.col("transactions").alias("added"),
            (F.col("transactions_before") + F.sum("transactions").over(so_far)).alias("transactions"),
            (F.col("cents_before") + F.sum("cents").over(so_far)).alias("cents"),
            F.when(F.col("female_before"), BEFORE).when(F.col("seen_female"), F.col("chunk")).alias("as_female"),
            F.when(F.col("male_before"), BEFORE).when(F.col("seen_male"), F.col("chunk")).alias("as_male"),
            "weight",
            F.lag("chunk").over(by_chunk).isNull().alias("is_first"),
        )
    )


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
    # A customer leaves the number of transactions that it had, and comes to another.
    steps = F.array(
        F.struct((F.col("transactions") - F.col("added")).alias("transactions"), F.lit(-1).cast("long").alias("customers")),
        F.struct("transactions", F.lit(1).cast("long").alias("customers")),
    )
    rows = (
        running.where(F.col("weight").isNotNull())
        .select("merchant", "chunk", F.inline(steps))
        .where(F.col("transactions") > 0)
        .unionByName(totals.select("merchant", F.lit(BEFORE).alias("chunk"), "transactions", "customers"))
        .groupBy("merchant", "chunk", "transactions")
        .agg(F.sum("customers").alias("customers"))
    )
    found: dict[str, list[Move]] = defaultdict(list)
    for merchant, *move in rows.collect():
        found[merchant].append(Move(*move))
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
