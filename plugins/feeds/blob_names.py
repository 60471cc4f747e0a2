"""Names of the blobs of a feed. All derive from the feed and a number, so a repeated write hits the same blob."""

from __future__ import annotations


def chunk_blob(feed: str, chunk: int) -> str:
    """Name of the blob that holds a chunk."""
    return f"chunks/{feed}/chunk-{chunk:06d}.csv"


def rejects_blob(feed: str, chunk: int) -> str:
    """Name of the blob that holds a chunk's rejected rows."""
    return f"rejects/{feed}/chunk-{chunk:06d}.csv"


def importance_blob(feed: str, part: int) -> str:
    """Name of the blob that holds a part of the feed's CustomerImportance file; parts are numbered from 1."""
    return f"{importance_prefix(feed)}CustomerImportance-{part:06d}.csv"


def importance_prefix(feed: str) -> str:
    """Return what the names of all these parts begin with."""
    return f"importance/{feed}/"


def detections_blob(feed: str, file_number: int) -> str:
    """Name of the blob that holds a detection file."""
    return f"{detections_prefix(feed)}detections-{file_number:06d}.csv"


def detections_prefix(feed: str) -> str:
    """Return what the names of all detection files of a feed begin with."""
    return f"detections/{feed}/"
