"""The landed blobs of a batch: what the ledger says of them, and whether they still hold it."""

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
class LandedBlob:
    """What the ledger says of a landed blob.

    Attributes
    ----------
    what
        What it holds, in words.
    path
        Where Spark reads it.
    blob_name
        Its name in Blob Storage.
    sha256
        Of its bytes, in hexadecimal.
    """

    what: str
    path: str
    blob_name: str
    sha256: str


@dataclass(frozen=True)
class LandedChunk(LandedBlob):
    """What the ledger says of a landed chunk; ``rows`` counts those in the blob."""

    chunk: int
    rows: int


@dataclass(frozen=True)
class Landed:
    """The landed blobs that a batch needs: its chunks in order, and importance, in parts, unless the ledger has the weights."""

    chunks: Sequence[LandedChunk]
    importance: Sequence[LandedBlob]

    @property
    def blobs(self) -> list[LandedBlob]:
        """All of them."""
        return [*self.chunks, *self.importance]


def landed_blobs(staging: Staging, *, feed: str, first_chunk: int, last_chunk: int, importance: str, storage_url: str) -> Landed:
    """Read from the ledger which blobs a batch needs.

    Parameters
    ----------
    staging
        Access to the ledger.
    feed
        Name of the feed.
    first_chunk, last_chunk
        The batch's chunks, both included.
    importance
        What the names of its blobs begin with, or empty: then it is not needed.
    storage_url
        What comes before a blob's name in its path.

    Raises
    ------
    ChunkError
        The feed is unknown, or a chunk or importance has not landed.
    """
    of_batch = F.col("chunk").between(first_chunk, last_chunk)
    rows = (
        staging.ledger("landed_blob")
        .where((F.col("feed") == feed) & (of_batch | F.col("part").isNotNull() if importance else of_batch))
        .select("chunk", "part", "blob_name", "blob_sha256", "landed_rows")
        .collect()
    )
    root = storage_url.rstrip("/")
    chunks = [
        LandedChunk(f"chunk {chunk}", f"{root}/{name}", name, sha256, chunk, count)
        for chunk, _, name, sha256, count in sorted(row for row in rows if row.chunk is not None)
    ]
    if missing := sorted(set(range(first_chunk, last_chunk + 1)) - {c.chunk for c in chunks}):
        if not chunks and staging.ledger("feed").where(F.col("feed") == feed).isEmpty():
            raise ChunkError(f"feed {feed} is not in the ledger")
        raise ChunkError(f"feed {feed}: chunk {missing[0]} has not landed ({len(missing)} of the batch have not)")
    parts = [
        LandedBlob(f"importance part {part}", f"{root}/{name}", name, sha256)
        for _, part, name, sha256, _ in sorted(row for row in rows if row.part is not None)
    ]
    if importance and not parts:
        raise ChunkError(f"feed {feed}: CustomerImportance has not landed")
    return Landed(chunks, parts)


def verify_checksums(spark: SparkSession, blobs: Sequence[LandedBlob]) -> None:
    """Compare the SHA-256 of every blob with the ledger's, all in one action.

    Raises
    ------
    ChunkError
        A blob is missing or was altered.
    """
    try:
        # Spark Connect looks for the files when their rows are asked for, classic Spark here already.
        files = spark.read.format("binaryFile").load([b.path for b in blobs])
        rows = files.select("path", F.sha2("content", 256).alias("sha256")).collect()
    except AnalysisException as error:
        if error.getCondition() != "PATH_NOT_FOUND":
            raise
        message = str(error).splitlines()[0]  # it names one blob, the first that Spark missed
        lost = [b for b in blobs if b.blob_name in message]
        named = [f"{b.what}: blob {b.blob_name} does not exist, the ledger has its SHA-256 {b.sha256}" for b in lost]
        raise ChunkError(f"{'; '.join(named) or message}. {_REPAIR}") from error
    # By the end of its path: what Spark gives is absolute, and may write the address otherwise.
    actual = {_file_name(row.path): row.sha256 for row in rows}
    altered = [
        f"{b.what}: blob {b.blob_name} was altered: its SHA-256 is {actual.get(_file_name(b.path))}, the ledger has {b.sha256}"
        for b in blobs
        if actual.get(_file_name(b.path)) != b.sha256
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
        f"{c.what}: Spark reads {counted.get(c.chunk, 0)} rows in blob {c.blob_name}, {c.rows} have landed"
        for c in chunks
        if counted.get(c.chunk, 0) != c.rows
    ]
    if wrong:
        raise ChunkError("; ".join(wrong))


def _file_name(path: str) -> str:
    return path.rpartition("/")[2]
