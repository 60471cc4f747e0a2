"""The zip of a feed's output is written while it is read."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest

from feeds.output_zip import zip_outputs

BLOBS = {"detections/f/detections-000001.csv": b"a\n" * 1000, "rejects/f/chunk-000007.csv": b"b\n"}


class _Ledger:
    def rows(self, name: str, **_values: Any) -> list[dict[str, str]]:
        assert name == "select_output_blobs"
        return [{"blob_name": blob, "folder": blob.partition("/")[0]} for blob in BLOBS]


def test_it_holds_every_blob_byte_for_byte() -> None:
    content = b"".join(zip_outputs(_Ledger(), 1, BLOBS.__getitem__))  # type: ignore[arg-type]
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == {
            "detections/detections-000001.csv": b"a\n" * 1000,
            "rejects/chunk-000007.csv": b"b\n",
        }


def test_a_blob_is_read_when_its_turn_has_come() -> None:
    asked: list[str] = []

    def read(name: str) -> bytes:
        asked.append(name)
        return BLOBS[name]

    parts = zip_outputs(_Ledger(), 1, read)  # type: ignore[arg-type]
    assert asked == []
    next(parts)
    assert len(asked) <= 1


def test_a_blob_that_cannot_be_read_leaves_no_whole_archive() -> None:
    def read(name: str) -> bytes:
        if name.startswith("rejects"):
            raise OSError("gone")
        return BLOBS[name]

    parts = zip_outputs(_Ledger(), 1, read)  # type: ignore[arg-type]
    content = io.BytesIO()
    with pytest.raises(OSError, match="gone"):
        content.writelines(parts)
    assert not zipfile.is_zipfile(content)
