"""CustomerImportance in parts: together they are the file, each is a file of its own, and none is cut within a line."""

from __future__ import annotations

import tracemalloc
from contextlib import nullcontext
from functools import partial
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds import importance
from feeds.blob_names import importance_blob
from feeds.drive import DriveRevision
from feeds.errors import SourceFormatError
from feeds.importance import cut_parts, land_importance

HEADER = b"Source,Target,Weight,typeTrans,fraud\n"
ROW = b"'C1','M1',1.50,'es_food',0"


def cut(data: bytes, part_bytes: int) -> list[bytes]:
    return list(cut_parts(lambda start, end: data[start:end], len(data), "i.csv", part_bytes))


@given(
    rows=st.lists(st.integers(1, 99_999).map(lambda n: ROW.replace(b"1", b"%d" % n)), min_size=1, max_size=30),
    end=st.sampled_from([b"\n", b"\r\n"]),
    ends=st.booleans(),
    read_bytes=st.integers(1, 200),
    part_bytes=st.integers(1, 200),
)
def test_parts_are_the_file_cut_between_lines(
    rows: list[bytes], end: bytes, ends: bool, read_bytes: int, part_bytes: int
) -> None:
    rest = end.join(rows) + (end if ends else b"")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importance, "BLOCK_BYTES", read_bytes)
        parts = cut(HEADER + rest, part_bytes)
    assert all(part.startswith(HEADER) for part in parts)
    assert b"".join(part.removeprefix(HEADER) for part in parts) == rest
    assert all(part.endswith(b"\n") for part in parts[:-1])
    longest = max(map(len, rows)) + len(end)
    assert all(part_bytes - longest <= len(part) - len(HEADER) < part_bytes + read_bytes + longest for part in parts[:-1])


def test_a_part_is_in_memory_twice_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    part_bytes = 1 << 20
    monkeypatch.setattr(importance, "BLOCK_BYTES", part_bytes // 4)
    monkeypatch.setattr(importance, "cut_parts", partial(cut_parts, part_bytes=part_bytes))
    file = HEADER + (ROW + b"\n") * (5 * part_bytes // (len(ROW) + 1))
    revision = DriveRevision("id", "i.csv", len(file), "md5", "1", "text/csv")
    drive: Any = Mock(get_revision=lambda _: revision, read_range=lambda _, start, end: file[start:end])
    ledger: Any = Mock(rows=lambda *_, **__: [], transaction=nullcontext)
    written: list[str] = []
    blobs: Any = Mock(write=lambda name, _: written.append(name))

    tracemalloc.start()
    try:
        land_importance(ledger, drive, blobs, {"feed_id": 1, "feed": "bank", "importance_file_id": "id", "weights_ready": False})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert written == [importance_blob("bank", part) for part in range(1, 6)]
    assert peak < 2.5 * part_bytes


@pytest.mark.parametrize("header", [HEADER, b"\xef\xbb\xbf" + HEADER.rstrip()])
def test_a_header_alone_is_refused(header: bytes) -> None:
    with pytest.raises(SourceFormatError, match=r"^i\.csv: the header and no rows; PatId1 would find nothing without a Weight$"):
        cut(header, 10)


def test_a_line_without_an_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importance, "BLOCK_BYTES", 8)
    monkeypatch.setattr(importance, "_LONGEST_LINE", 32)
    with pytest.raises(SourceFormatError, match=r"i\.csv: the line before byte 77 has no end within 32 bytes"):
        cut(HEADER + b"x" * 100, 16)
    assert cut(HEADER + b"x" * 30, 16) == [HEADER + b"x" * 30]
