"""All output files of a feed as one zip, written while it is read: at most one file is in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from zipstream import ZIP_DEFLATED, ZipStream

from feeds.ledger import Ledger


def zip_outputs(ledger: Ledger, feed_id: int, read: Callable[[str], bytes]) -> Iterator[bytes]:
    """Give the bytes of a zip archive of a feed's detection files and rejected rows, in folders ``detections/`` and ``rejects/``.

    Parameters
    ----------
    ledger
        Is asked for the names of the blobs now; the blobs are read later, one after the other.
    feed_id
        Number of the feed.
    read
        Gives the bytes of a blob. What it raises, the archive raises: it ends in the middle, and no program takes it for whole.
    """
    archive = ZipStream(compress_type=ZIP_DEFLATED)
    for blob in ledger.rows("select_output_blobs", feed_id=feed_id):
        name = blob["blob_name"]
        archive.add(_late(read, name), f"{blob['folder']}/{name.rpartition('/')[2]}")
    return iter(archive)


def _late(read: Callable[[str], bytes], name: str) -> Iterator[bytes]:
    yield read(name)
