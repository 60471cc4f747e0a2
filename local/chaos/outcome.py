"""What a feed has left behind, times aside, and in what two feeds differ."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import psycopg
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import ContainerClient

from feeds.ledger import Ledger, Row
from local.config import Addresses

_TIMES = ("YStartTime", "detectionTime")
_SHOWN = 3  # differences of one kind; more say no more
_COMPARED_OF_A_CHUNK = (
    "chunk", "byte_start", "byte_end", "first_line", "end_line", "landed_rows", "rejected_rows",
    "source_sha256", "blob_sha256", "reject_reasons",
)  # fmt: skip

Lines = list[tuple[Any, ...]]


@dataclass(frozen=True)
class Outcome:
    """Everything about a feed that does not depend on when and in how many runs and batches it was made.

    Attributes
    ----------
    merchants, pairs, weights
        The state.
    detections
        With ordinals and chunk numbers, in order.
    files
        Number, first and last ordinal of each detection file, and its rows without the times.
    chunks
        Ranges, rows and SHA-256s of the chunks in the ledger.
    chunk_blobs, reject_blobs
        File name and SHA-256 of every blob that is there.
    """

    merchants: Lines
    pairs: Lines
    weights: Lines
    detections: Lines
    files: Lines
    chunks: Lines
    chunk_blobs: Lines
    reject_blobs: Lines


def read_outcome(addresses: Addresses, feed: str) -> Outcome:
    """Read the ledger and the blobs of a feed."""
    with psycopg.connect(addresses.ledger_dsn) as connection, open_container(addresses) as container:
        ledger = Ledger(connection)
        feed_id = feed_id_of(ledger, feed)
        files = ledger.rows("select_files", feed_id=feed_id)
        return Outcome(
            merchants=_lines(ledger.rows("outcome_merchants", feed_id=feed_id)),
            pairs=_lines(ledger.rows("outcome_pairs", feed_id=feed_id)),
            weights=_lines(ledger.rows("outcome_weights", feed_id=feed_id)),
            detections=_lines(ledger.rows("outcome_detections", feed_id=feed_id)),
            files=[_file(container, file) for file in files],
            chunks=[
                tuple(str(chunk[name]) for name in _COMPARED_OF_A_CHUNK)
                for chunk in ledger.rows("select_chunks", feed_id=feed_id, first_chunk=1, last_chunk=1 << 30)
            ],
            chunk_blobs=_blobs(container, f"chunks/{feed}/"),
            reject_blobs=_blobs(container, f"rejects/{feed}/"),
        )


def differences(baseline: Outcome, outcome: Outcome) -> list[str]:
    """Name the first differences, kind by kind; empty when there are none."""
    found = []
    for item in fields(Outcome):
        found += _first_differences(item.name, getattr(baseline, item.name), getattr(outcome, item.name))
    return found


def open_container(addresses: Addresses) -> ContainerClient:
    """Open the pipeline's container."""
    return ContainerClient.from_connection_string(addresses.blob_connection_string, addresses.blob_container)


def feed_id_of(ledger: Ledger, feed: str) -> int:
    """Give a feed's number; ``LookupError`` when the ledger does not have it."""
    row = ledger.row("select_feed", feed=feed)
    if row is None:
        raise LookupError(f"feed {feed} is not in the ledger")
    return int(row["feed_id"])


def sha256_of(container: ContainerClient, name: str) -> str | None:
    """Give the checksum of a blob's bytes; ``None`` when it is not there."""
    try:
        return hashlib.sha256(container.download_blob(name).readall()).hexdigest()
    except ResourceNotFoundError:
        return None


def rows_of(container: ContainerClient, name: str) -> list[dict[str, str]]:
    """Give the rows of a CSV blob; none when it is not there."""
    try:
        return list(csv.DictReader(io.StringIO(container.download_blob(name).readall().decode())))
    except ResourceNotFoundError:
        return []


def _lines(rows: Sequence[Row]) -> Lines:
    return [tuple(row.values()) for row in rows]


def _blobs(container: ContainerClient, prefix: str) -> Lines:
    names = sorted(blob.name for blob in container.list_blobs(name_starts_with=prefix))
    return [(name.removeprefix(prefix), sha256_of(container, name)) for name in names]


def _file(container: ContainerClient, file: Row) -> tuple[Any, ...]:
    rows = [tuple(v for name, v in row.items() if name not in _TIMES) for row in rows_of(container, file["blob_name"])]
    return (file["file_number"], file["first_ordinal"], file["last_ordinal"], *rows)


def _first_differences(name: str, wanted: Lines, there: Lines) -> list[str]:
    missing, added = _without(wanted, there), _without(there, wanted)
    found = [f"{name}: {line} is missing" for line in missing[:_SHOWN]]
    found += [f"{name}: {line} is not in the baseline" for line in added[:_SHOWN]]
    if not found and wanted != there:
        found.append(f"{name}: the same lines in another order, or not equally often")
    return found


def _without(lines: Lines, others: Lines) -> Lines:
    known = set(others)
    return [line for line in lines if line not in known]
