"""Reads what a batch needs of the state before it, once its totals are staged."""

from __future__ import annotations

from pyspark.sql import DataFrame

from detectors.batch import Batch
from detectors.places import KnownWeight
from detectors.staging import Staging


def read_batch(staging: Staging, transactions: DataFrame, first_chunk: int, last_chunk: int) -> Batch:
    """Put transactions and state together; only the weights are fetched at once.

    Parameters
    ----------
    staging
        Access to the ledger; the batch's totals are staged.
    transactions
        What ``detectors.transactions.read_chunks`` gives.
    first_chunk, last_chunk
        The batch's chunks, both included.
    """
    weights = staging.read("upgrade_weight").select(*KnownWeight._fields).collect()
    return Batch(
        first_chunk=first_chunk,
        last_chunk=last_chunk,
        transactions=transactions,
        merchants=staging.read("touched_merchant"),
        pairs=staging.read("touched_pair"),
        totals=staging.read("upgrade_total"),
        idle=staging.read("upgrade_idle"),
        weights=[KnownWeight(*row) for row in weights],
    )
