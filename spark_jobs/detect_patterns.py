"""The detection job: finds the patterns in one batch of landed chunks and stages the result; runs on Databricks.

A pure function of ledger position, chunk range and rules: it reads chunks, importance and the state before the batch,
and writes staging rows in the ledger. It changes no state; committing the batch does. Killed at any moment, it leaves at
most staging rows that nobody reads (``detectors.staging``); started again, it stages the same under another id.

The ledger's address and credentials come from ``LEDGER_JDBC_URL``, ``LEDGER_USER`` and ``LEDGER_PASSWORD``, or from the
connection of Unity Catalog that ``--ledger_connection`` names: serverless compute takes no secrets as environment variables.
"""

from __future__ import annotations

import argparse
import json
import sys
import uuid
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pyspark.sql import Observation, Row, SparkSession
from pyspark.sql import functions as F

# What follows is found through this line: Databricks may execute this file without its directory on the path, and without
# setting __file__.
sys.path.insert(0, str(Path(sys._getframe().f_code.co_filename).resolve().parent))

from detectors import DETECTORS, detect_all
from detectors.importance import read_importance, stage_weights
from detectors.landed import Landed, landed_blobs, verify_checksums, verify_rows
from detectors.session import fit_to_size, is_small, kept
from detectors.staging import Staging, jdbc_options, observed
from detectors.state import batch_state, read_batch
from detectors.steps import reason_last, step
from detectors.transactions import read_chunks, rows_by_chunk, totals


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the job's arguments; each detector adds its own."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--feed", required=True)
    parser.add_argument("--batch_id", required=True, type=int)
    parser.add_argument("--first_chunk", required=True, type=int)
    parser.add_argument("--last_chunk", required=True, type=int)
    parser.add_argument("--storage_url", required=True, help="what comes before the name of a blob in its path")
    parser.add_argument("--columns", required=True, type=json.loads, help="JSON list: the header's names in file order")
    parser.add_argument(
        "--importance", required=True, help="what its blobs' names begin with; empty when the ledger has the weights"
    )
    parser.add_argument("--still_holds", default="no", choices=["yes", "no"], help="stage also what holds at the last chunk")
    parser.add_argument("--ledger_connection", default="", help="connection of Unity Catalog; empty: the environment says how")
    parser.add_argument("--weight_scope", required=True, choices=["customer_merchant", "customer"])
    for detector in DETECTORS:
        for name, kind in detector.ARGUMENTS.items():
            parser.add_argument(f"--{name}", required=True, type=kind)
    return parser.parse_args(argv)


def run(spark: SparkSession, staging: Staging, args: argparse.Namespace) -> None:
    """Stage one batch, in the order: verify blobs, stage weights and totals, detect, mark the staging complete."""
    with step("transactions read") as facts, ThreadPoolExecutor(1) as beside:
        names = ("feed", "first_chunk", "last_chunk", "importance", "storage_url")
        landed = landed_blobs(staging, **{name: getattr(args, name) for name in names})
        landed_rows = sum(chunk.rows for chunk in landed.chunks)
        fit_to_size(spark, landed_rows)
        small = is_small(landed_rows)
        verified = beside.submit(_verify_and_weigh, spark, staging, landed, args.weight_scope)
        try:
            transactions = kept(read_chunks(spark, [c.path for c in landed.chunks], args.columns))
            rows = rows_by_chunk(transactions)
        finally:
            facts.extend(verified.result())  # if a blob is not what it was, that is what there is to say
        verify_rows(landed.chunks, rows)
        facts.append(f"{sum(rows.values())} transactions")
    with step("totals staged") as facts, ThreadPoolExecutor(1) as beside:
        state = beside.submit(batch_state, staging, split=not small)  # Spark has a lot to ask and to plan before it reads a row
        pair_count = Observation()
        counted = totals(transactions).observe(pair_count, F.count(F.lit(1)).alias("pairs"))
        staging.write("staged_pair", counted, "merchant", "customer")
        facts.append(f"{observed(pair_count, 'pairs')} pairs touched")
    with step("state read") as facts:
        # The view joins staging with the state: it holds rows only now that the totals are staged.
        batch = read_batch(state.result(), transactions, args.first_chunk, args.last_chunk)
        facts.append(f"{len(batch.weights)} weights around the limits of PatId1")
    # Beside each other: a write of a few rows is all waiting.
    with step("patterns detected") as facts, ThreadPoolExecutor(1) as beside:
        counts = [Row(chunk=chunk, transactions=count) for chunk, count in sorted(rows.items())]
        counts_staged = beside.submit(staging.write_few, "staged_chunk", counts)
        found = detect_all(batch, vars(args), at_once=small)
        of_pattern = Counter(row["pattern_id"] for row in found)
        facts.extend(f"{d.PATTERN_ID} {of_pattern[d.PATTERN_ID]}" for d in DETECTORS)
        counts_staged.result()
    if args.still_holds == "yes":
        with step("what still holds staged"):
            staging.write_few("staged_holding", detect_all(batch.at_end(), vars(args)))
    with step("staging complete"), ThreadPoolExecutor(1) as beside:
        completed = beside.submit(staging.complete, len(found))
        staging.write_few("staged_detection", found)
        completed.result()


def _verify_and_weigh(spark: SparkSession, staging: Staging, landed: Landed, weight_scope: str) -> list[str]:
    """Verify all blobs, then stage the weights if importance is among them; give what to tell."""
    verify_checksums(spark, landed.blobs)
    facts = [f"{len(landed.chunks)} chunks"]
    if landed.importance:
        facts.append(f"importance in {len(landed.importance)} parts")
        importance = read_importance(spark, [part.path for part in landed.importance])
        facts += stage_weights(staging, importance, weight_scope)
    return facts


def main(argv: Sequence[str] | None = None) -> None:
    """Run the job for the given arguments, those of the command line by default."""
    args = arguments(argv)
    options = jdbc_options(args.ledger_connection)
    staging_id = uuid.uuid4().hex
    chunks = f"chunks {args.first_chunk} to {args.last_chunk}"
    print(f"feed {args.feed}, batch {args.batch_id}, {chunks}, staging {staging_id}", flush=True)
    with reason_last():
        with step("session"):
            spark = SparkSession.builder.getOrCreate()
        with step("batch staged"):
            run(spark, Staging(spark, options, args.batch_id, staging_id), args)


if __name__ == "__main__":
    main()
