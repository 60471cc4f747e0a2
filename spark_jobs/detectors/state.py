"""Reads what a batch needs of the state before it: one query, whose rows are kept."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from detectors.batch import Batch, moves, running_totals
from detectors.places import KnownWeight
from detectors.session import kept
from detectors.staging import Staging

_PAIR = ("merchant", "customer", "transactions", "amount", "weight", "as_female", "as_male")
_MERCHANT = ("merchant", "transactions", "female", "male")
_TOTAL = ("merchant", "transactions", "customers")
_IDLE = ("merchant", "customer", "transactions", "weight")
_PARTS = 8  # numbers of the view's column `part`, from 0 on: so many that the two largest merchants rarely share one
_COLUMNS = dict.fromkeys((*_PAIR, *_MERCHANT, *_TOTAL, *_IDLE, *KnownWeight._fields))  # each once


def batch_state(staging: Staging, *, split: bool = False) -> DataFrame:
    """Give the view ``batch_state``; it is queried when a row of it is first used, so the totals must be staged by then.

    Parameters
    ----------
    staging
        This execution's staging rows.
    split
        Let several queries share the merchants: one of them keeps one processor busy.
    """
    if split:
        return kept(staging.read("batch_state", "kind", *_COLUMNS, split_by="part", parts=_PARTS))
    # One query gives one partition, but Spark forgets it. Once it knows, nothing of a small batch has to travel.
    return kept(staging.read("batch_state", "kind", *_COLUMNS).coalesce(1))


def read_batch(state: DataFrame, transactions: DataFrame, first_chunk: int, last_chunk: int) -> Batch:
    """Put transactions and state together; what PatId1 compares customers with is fetched at once.

    Parameters
    ----------
    state
        What :func:`batch_state` gives; the batch's totals are staged.
    transactions
        What ``detectors.transactions.read_chunks`` gives.
    first_chunk, last_chunk
        The batch's chunks, both included.
    """

    def of_kind(kind: str, columns: tuple[str, ...]) -> DataFrame:
        return state.where(F.col("kind") == kind).select(*columns)

    pairs = of_kind("pair", _PAIR)
    with ThreadPoolExecutor(1) as beside:  # while PostgreSQL works the state out, Spark plans
        weights = beside.submit(of_kind("weight", KnownWeight._fields).collect)
        running = running_totals(transactions, pairs)
        moved = moves(running, of_kind("total", _TOTAL))
    return Batch(
        first_chunk=first_chunk,
        last_chunk=last_chunk,
        transactions=transactions,
        running=running,
        merchants=of_kind("merchant", _MERCHANT),
        pairs=pairs,
        idle=of_kind("idle", _IDLE),
        weights=[KnownWeight(*row) for row in weights.result()],
        moves=moved,
    )
