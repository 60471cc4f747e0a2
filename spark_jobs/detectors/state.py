"""Reads what a batch needs of the state before it, once its totals are staged."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from pyspark.sql import DataFrame

from detectors.batch import Batch, running_totals
from detectors.places import KnownWeight
from detectors.staging import Staging


def read_batch(staging: Staging, increments: DataFrame, first_chunk: int, last_chunk: int) -> Batch:
    """Put increments and state together; only the weights are fetched at once.

    Parameters
    ----------
    staging
        Access to the ledger; the batch's totals are staged.
    increments
        What ``detectors.transactions.increments`` gives.
    first_chunk, last_chunk
        The batch's chunks, both included.
    """
    columns = "merchant", "customer", "transactions", "amount", "seen_female", "seen_male", "weight"
    pairs = staging.read("touched_pair", *columns)
    with ThreadPoolExecutor(1) as beside:  # while PostgreSQL looks the weights up, Spark plans
        weights = beside.submit(staging.read("upgrade_weight", *KnownWeight._fields).collect)
        running = running_totals(increments, pairs)
    return Batch(
        first_chunk=first_chunk,
        last_chunk=last_chunk,
        increments=increments,
        running=running,
        merchants=staging.read("touched_merchant", "merchant", "transactions", "female", "male"),
        pairs=pairs,
        totals=staging.read("upgrade_total", "merchant", "transactions", "customers"),
        idle=staging.read("upgrade_idle", "merchant", "customer", "transactions", "weight"),
        weights=[KnownWeight(*row) for row in weights.result()],
    )
