"""The transactions file on Drive: its header, and whether the part that has landed is still the same."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from feeds.errors import SourceChangedError, SourceFormatError
from feeds.records import RecordSplitter, clean

if TYPE_CHECKING:
    from feeds.drive import DriveHook, DriveRevision

COLUMNS = ("step", "customer", "age", "gender", "zipcodeOri", "merchant", "zipMerchant", "category", "amount", "fraud")
"""Columns that a transactions file has (design.md, section 2); their order is the file's, further ones are allowed."""

HEADER_BYTES = 1 << 14
BLOCK_BYTES = 1 << 22
_BOM = b"\xef\xbb\xbf"

ReadRange = Callable[[int, int], bytes]
"""Gives exactly the bytes ``[start, end)`` of the source."""


class SourceMovedError(Exception):
    """The file was replaced while it was read. A retry looks at the new revision."""


@dataclass(frozen=True)
class Header:
    """The header line of a source.

    Attributes
    ----------
    raw
        Its bytes with the line end, without a byte order mark; what every chunk blob begins with.
    columns
        Its names, unquoted, in order.
    data_start
        Offset of the first byte behind it.
    data_line
        Number of the line that this byte is on, counted from 1.
    """

    raw: bytes
    columns: list[str]
    data_start: int
    data_line: int

    @classmethod
    def of(cls, feed: dict[str, Any]) -> Header:
        """Give the header that the ledger has of a feed's source."""
        return cls(bytes(feed["header"]), feed["columns"], feed["data_start"], feed["data_line"])


def read_header(read: ReadRange, size: int, what: str, needed: Iterable[str]) -> Header:
    """Read and check the header line.

    Parameters
    ----------
    read
        Reads the source.
    size
        Its size in bytes.
    what
        Name of the source, for errors.
    needed
        Names of the columns that it must have.

    Raises
    ------
    SourceFormatError
        The source is empty, is no CSV, or lacks a column or has it twice. Says what was found.
    """
    start = read(0, min(size, HEADER_BYTES)) if size else b""
    bom = len(_BOM) if start.startswith(_BOM) else 0
    splitter = RecordSplitter()
    splitter.add(start[bom:])
    if len(start) == size:
        splitter.finish()
    record = next(splitter.take(1), None)
    if record is None and not start[bom:].strip():
        raise SourceFormatError(f"{what}: an empty file; expected a CSV file whose first line names the columns")
    if record is None:
        raise SourceFormatError(
            f"{what}: no line end in the first {len(start):,} bytes; it begins with {_excerpt(start)}; "
            "is it a web page, or compressed?"
        )
    columns = [clean(name) for name in record.fields]
    if record.problem or columns[0].lower().startswith(("<!doctype", "<html", "<?xml")):
        problem = f" ({record.problem})" if record.problem else ""
        raise SourceFormatError(
            f"{what}: found {_excerpt(start)} instead of a CSV header{problem}; is it a web page, or compressed?"
        )
    if missing := [name for name in needed if name not in columns]:
        raise SourceFormatError(f"{what}: the header lacks {', '.join(missing)}; it has {', '.join(columns)[:500]}")
    if doubled := [name for name in needed if columns.count(name) > 1]:
        raise SourceFormatError(f"{what}: the header names {', '.join(doubled)} more than once")
    raw = b"".join(record.raw.splitlines(keepends=True)[record.blank_lines :])
    return Header(raw, columns, bom + len(record.raw), record.lines + 1)


def _excerpt(start: bytes) -> str:
    return repr(start[:60].decode(errors="replace"))


class PinnedSource:
    """Reads one revision of a file on Drive, and makes sure that it was that revision.

    Drive serves only the newest content of a file to an account that may just view it. So the revision is looked up again after
    each read, before the bytes are used. What remains: nothing, as long as Drive gives new content a new revision.
    """

    def __init__(self, drive: DriveHook, revision: DriveRevision) -> None:
        self._drive = drive
        self.revision = revision

    def read(self, start: int, end: int) -> bytes:
        """Return the bytes ``[start, end)``.

        Raises
        ------
        SourceMovedError
            The file has another revision now.
        """
        try:
            data = self._drive.read_range(self.revision, start, end)
        except SourceChangedError as error:
            # It is shorter now. Whether that is an error, the landed part of the new revision says, not this read.
            raise SourceMovedError(f"{self.revision.name} was replaced on Drive while it was read: {error}") from error
        now = self._drive.get_revision(self.revision.file_id)
        if (now.revision_id, now.md5, now.size) != (self.revision.revision_id, self.revision.md5, self.revision.size):
            raise SourceMovedError(
                f"{self.revision.name} was replaced on Drive while it was read: revision {self.revision.revision_id} became "
                f"{now.revision_id}; nothing of this read was used, the next try continues with the new revision"
            )
        return data


def check_landed_part(read: ReadRange, feed: dict[str, Any], chunks: Iterable[dict[str, Any]], revision: DriveRevision) -> None:
    """Compare the header and every landed chunk with a new revision of the source. Reads the landed part once, in blocks.

    Raises
    ------
    SourceChangedError
        A landed byte differs or is gone. Names the chunk and both checksums.
    """
    changed = f"{revision.name} changed on Drive after feed {feed['feed']} had landed it"
    advice = "Restore the old revision, or start a new feed for the new file."
    if revision.size < feed["position"]:
        raise SourceChangedError(
            f"{changed}: it has {revision.size:,} bytes now, {feed['position']:,} have landed "
            f"(MD5 {feed['source_md5']} then, {revision.md5} now). {advice}"
        )
    header = bytes(feed["header"])
    start = feed["data_start"] - len(header)
    if read(start, feed["data_start"]) != header:
        raise SourceChangedError(f"{changed}: its header differs (MD5 {feed['source_md5']} then, {revision.md5} now). {advice}")
    for chunk in chunks:
        digest = hashlib.sha256()
        for at in range(chunk["byte_start"], chunk["byte_end"], BLOCK_BYTES):
            digest.update(read(at, min(at + BLOCK_BYTES, chunk["byte_end"])))
        if digest.hexdigest() != chunk["source_sha256"]:
            raise SourceChangedError(
                f"{changed}: chunk {chunk['chunk']} (bytes {chunk['byte_start']:,} to {chunk['byte_end']:,}) had SHA-256 "
                f"{chunk['source_sha256']}, it has {digest.hexdigest()} now. {advice}"
            )
    _refuse_continued_row(read, feed, revision, f"{changed}: its last line had no end when it landed, and goes on now. {advice}")


def _refuse_continued_row(read: ReadRange, feed: dict[str, Any], revision: DriveRevision, message: str) -> None:
    """Raise when the last landed row, or the header, which the end of the file had ended, is longer now."""
    end = feed["position"]
    if revision.size == end:
        return
    around = read(end - 1, min(end + 2, revision.size))
    if around[:1] != b"\n" and not around[1:].startswith((b"\n", b"\r\n")):
        raise SourceChangedError(message)
