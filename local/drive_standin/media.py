"""Sending a file's content, whole or one byte range of it, in blocks."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterator
from typing import BinaryIO

from starlette.responses import StreamingResponse
from starlette.types import Send

from local.drive_standin.problems import DriveProblem
from local.drive_standin.switches import Served
from local.drive_standin.tree import Node

BLOCK_BYTES = 256 * 1024
STALL_SECONDS = 5
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def parse_range(header: str, size: int) -> tuple[int, int] | None:
    """Read a ``Range`` header.

    Parameters
    ----------
    header
        Its value; empty when there is none.
    size
        Size of the file in bytes.

    Returns
    -------
    tuple or None
        ``[start, end)``; ``None`` for the whole file: no header, several ranges, or one that RFC 9110 says to ignore.

    Raises
    ------
    DriveProblem
        416: the range has no byte of the file.
    """
    match = _RANGE.fullmatch(header.strip())
    if match is None or match.groups() == ("", ""):
        return None
    if match[1] == "":
        start, end = max(size - int(match[2]), 0), size
    else:
        start, end = int(match[1]), min(int(match[2]) + 1, size) if match[2] else size
        if match[2] and int(match[2]) < start:
            return None
    if start >= end:
        raise DriveProblem(
            416,
            "requestedRangeNotSatisfiable",
            "Request range not satisfiable",
            location="Range",
            headers={"Content-Range": f"bytes */{size}"},
        )
    return start, end


class MediaResponse(StreamingResponse):
    """A file's content as an answer.

    Parameters
    ----------
    node
        The file.
    range_header
        ``Range`` of the request.
    served
        Where the bytes are counted, when they are handed to the connection.
    fault
        ``short_body``, ``drop_body``, ``stall_body``, ``ignore_range`` or nothing.

    Raises
    ------
    DriveProblem
        416: the range has no byte of the file.
    """

    def __init__(self, node: Node, range_header: str, served: Served, fault: str = "") -> None:
        file = node.path.open("rb")
        try:
            size = os.fstat(file.fileno()).st_size
            wanted = None if fault == "ignore_range" else parse_range(range_header, size)
        except DriveProblem:
            file.close()
            raise
        start, end = wanted or (0, size)
        sent = (end - start) // 2 if fault in ("short_body", "drop_body", "stall_body") else end - start
        self._drop = fault in ("drop_body", "stall_body")
        self._stall_seconds = STALL_SECONDS if fault == "stall_body" else 0
        headers = {"Content-Length": str(sent if fault == "short_body" else end - start)}
        if wanted is not None:
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        super().__init__(
            _blocks(file, node, start, sent, served),
            status_code=200 if wanted is None else 206,
            headers=headers,
            media_type=node.mime_type,
        )

    async def stream_response(self, send: Send) -> None:
        """Send it; a dropped answer is left open, and uvicorn closes the connection under it."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for block in self.body_iterator:
            await send({"type": "http.response.body", "body": block, "more_body": True})
        await asyncio.sleep(self._stall_seconds)
        if not self._drop:
            await send({"type": "http.response.body", "body": b"", "more_body": False})


def _blocks(file: BinaryIO, node: Node, start: int, length: int, served: Served) -> Iterator[bytes]:
    with file:
        file.seek(start)
        while length > 0 and (block := file.read(min(BLOCK_BYTES, length))):
            length -= len(block)
            # Counted before it is sent: when the client has the last byte, the counter has it too.
            served.add(node, sent=len(block))
            yield block
