"""The landed chunks of a batch: what the ledger says of them, and whether the blobs still hold it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from detectors.errors import ChunkError
from detectors.staging import Staging

_REPAIR = "Landing can repair it from Drive."


@dataclass(frozen=True)
class LandedChunk:
    """What the ledger says of a landed chunk."""

    chunk: int
    path: str
    blob_name: str
    sha256: str
    rows: int


def landed_chunks(staging: Staging, feed: str, first_chunk: int, last_chunk: int, storage_url: str) -> list[LandedChunk]:
    """Read from the ledger which blobs hold a batch, in chunk order.

    Parameters
    ----------
    staging
        Access to the ledger.
    feed
        Name of the feed.
    first_chunk, last_chunk
        The batch's chunks, both included.
    storage_url
        What comes before a blob's name in its path.

    Raises
    ------
    ChunkError
        A chunk has not landed.
    """
    feed_id = staging.ledger("feed").where(F.col("feed") == feed).select("feed_id").collect()
    if not feed_id:
        raise ChunkError(f"feed {feed} is not in the ledger")
    found = (
        staging.ledger("chunk")
        .where((F.col("feed_id") == feed_id[0].feed_id) & F.col("chunk").between(first_chunk, last_chunk))
        .select("chunk", "blob_name", "blob_sha256", "landed_rows")
        .collect()
    )
    root = storage_url.rstrip("/")
    chunks = [LandedChunk(c, f"{root}/{name}", name, sha256, rows) for c, name, sha256, rows in sorted(found)]
    if missing := sorted(set(range(first_chunk, last_chunk + 1)) - {c.chunk for c in chunks}):
        raise ChunkError(f"feed {feed}: chunk {missing[0]} has not landed ({len(missing)} of the batch have not)")
    return chunks


def verify_checksums(spark: SparkSession, chunks: Sequence[LandedChunk]) -> None:
    """Compare the SHA-256 of every blob with the ledger's, all in one action.

    Raises
    ------
    ChunkError
        A blob is missing or was altered.
    """
    files = spark.read.format("binaryFile").load([c.path for c in chunks])
    try:
        rows = files.select("path", F.sha2("content", 256).alias("sha256")).collect()
    except AnalysisException as error:
        if error.getCondition() != "PATH_NOT_FOUND":
            raise
        lost = [c for c in chunks if c.blob_name in str(error)]
        named = "; ".join(f"chunk {c.chunk}: blob {c.blob_name} does not exist, its SHA-256 was {c.sha256}" for c in lost)
        raise ChunkError(f"{named or error}. {_REPAIR}") from error
    actual = {row.path.rpartition("/")[2]: row.sha256 for row in rows}
    altered = [
        f"chunk {c.chunk}: blob {c.blob_name} was altered: its SHA-256 is {sha256}, the ledger has {c.sha256}"
        for c in chunks
        if (sha256 := actual[c.path.rpartition("/")[2]]) != c.sha256
    ]
    if altered:
        raise ChunkError(f"{'; '.join(altered)}. {_REPAIR}")


def verify_rows(chunks: Iterable[LandedChunk], counted: Mapping[int, int]) -> None:
    """Compare the number of rows that Spark has read with the ledger's.

    Raises
    ------
    ChunkError
        They differ: landing and Spark do not split the bytes alike, which no repair of the blob can mend.
    """
    wrong = [
        f"chunk {c.chunk}: Spark reads {counted.get(c.chunk, 0)} rows in blob {c.blob_name}, {c.rows} have landed"
        for c in chunks
        if counted.get(c.chunk, 0) != c.rows
    ]
    if wrong:
        raise ChunkError("; ".join(wrong))
