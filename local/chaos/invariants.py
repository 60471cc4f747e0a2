"""What must hold of every feed that has come to its end, whatever happened on the way: nothing twice, nothing half-done."""

from __future__ import annotations

from collections import Counter
from typing import Any

import psycopg
from azure.storage.blob import ContainerClient

from feeds.export import ist
from feeds.ledger import Ledger, Row
from local.chaos.outcome import feed_id_of, open_container, rows_of, sha256_of
from local.chaos.scene import Scene

_PREFIXES = ("chunks", "rejects", "importance", "detections")


def violations(scene: Scene, feed: str) -> list[str]:
    """Name everything about a feed at its end that must not be; empty when all is well."""
    addresses = scene.addresses
    with psycopg.connect(addresses.ledger_dsn) as connection, open_container(addresses) as container:
        ledger = Ledger(connection)
        feed_id = feed_id_of(ledger, feed)
        chunks = ledger.rows("select_chunks", feed_id=feed_id, first_chunk=1, last_chunk=1 << 30)
        batches = ledger.rows("outcome_batches", feed_id=feed_id)
        files = ledger.rows("select_files", feed_id=feed_id)
        parts = ledger.rows("select_importance_parts", feed_id=feed_id)
        row = ledger.row("select_feed", feed=feed) or {}
        return [
            *_of_batches(chunks, batches),
            *_of_staging(ledger.row("count_staging") or {}),
            *_of_blobs(container, feed, [*chunks, *parts], files),
            *_of_times(container, row, files),
            *_of_runs(scene.databricks_runs(feed), batches),
            *(f"job process {pid} is left" for pid in scene.job_processes()),
        ]


def _of_batches(chunks: list[Row], batches: list[Row]) -> list[str]:
    found = [f"batch {batch['batch_id']} is still open" for batch in batches if batch["applied_at"] is None]
    next_chunk = 1
    for batch in batches:
        if batch["first_chunk"] != next_chunk:
            found.append(f"batch {batch['batch_id']} starts at chunk {batch['first_chunk']}, not {next_chunk}")
        next_chunk = batch["last_chunk"] + 1
    if next_chunk != len(chunks) + 1:
        found.append(f"the batches end at chunk {next_chunk - 1}, the feed at {len(chunks)}")
    of = {number: batch["batch_id"] for batch in batches for number in range(batch["first_chunk"], batch["last_chunk"] + 1)}
    found += [
        f"chunk {chunk['chunk']} was applied by batch {chunk['batch_id']}, not {of.get(chunk['chunk'])}"
        for chunk in chunks
        if chunk["batch_id"] != of.get(chunk["chunk"])
    ]
    return found


def _of_staging(staged: Row) -> list[str]:
    return [f"{count} rows are left in {table}" for table, count in staged.items() if count]


def _of_blobs(container: ContainerClient, feed: str, landed: list[Row], files: list[Row]) -> list[str]:
    """Compare the blobs with the ledger: each is known, and each has the bytes that the ledger says."""
    known = {blob["blob_name"]: blob["blob_sha256"] for blob in [*landed, *files]}
    rejects = {chunk["rejects_blob"] for chunk in landed if chunk.get("rejects_blob")}
    there = {name for prefix in _PREFIXES for name in container.list_blob_names(name_starts_with=f"{prefix}/{feed}/")}
    found = [f"file {file['blob_name']} is reserved and not confirmed" for file in files if file["uploaded_at"] is None]
    found += [f"blob {name} is not in the ledger" for name in sorted(there - set(known) - rejects)]
    found += [f"blob {name} is missing" for name in sorted((set(known) | rejects) - there)]
    found += [
        f"blob {name} is not the one in the ledger"
        for name, sha256 in known.items()
        if name in there and sha256_of(container, name) != sha256
    ]
    return found


def _of_times(container: ContainerClient, feed: Row, files: list[Row]) -> list[str]:
    """All rows of a feed have its start; the times of detections do not decrease from file to file."""
    rows = [row for file in files for row in rows_of(container, file["blob_name"])]
    found = [f"YStartTime is {row['YStartTime']}" for row in rows if row["YStartTime"] != ist(feed["started_at"])]
    times = [row["detectionTime"] for row in rows]
    return found[:1] + (["detectionTime decreases"] if times != sorted(times) else [])


def _of_runs(runs: list[dict[str, Any]], batches: list[Row]) -> list[str]:
    """Check that a batch has at most one Databricks run a generation, and that one of them has succeeded."""
    found = [f"Databricks run {run['run_id']} is {_state(run)}" for run in runs if _state(run) != "TERMINATED"]
    seen = Counter(_range(run["run_name"]) for run in runs)
    succeeded = Counter(_range(run["run_name"]) for run in runs if run["state"].get("result_state") == "SUCCESS")
    for batch in batches:
        chunks = f"{batch['first_chunk']}-{batch['last_chunk']}"
        if seen[chunks] > batch["generation"]:
            found.append(f"{seen[chunks]} Databricks runs for chunks {chunks} in {batch['generation']} generations")
        if succeeded[chunks] != 1:
            found.append(f"{succeeded[chunks]} Databricks runs for chunks {chunks} have succeeded")
    return found


def _state(run: dict[str, Any]) -> str:
    return str(run["state"]["life_cycle_state"])


def _range(run_name: str) -> str:
    return run_name.rpartition(" ")[2]
