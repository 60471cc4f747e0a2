"""What tests and benchmarks use: faults on request, and counters of what was served."""

from __future__ import annotations

import threading
from collections.abc import Collection
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from local.drive_standin.tree import Node


class Fault(BaseModel):
    """A fault that the stand-in is told to show.

    Attributes
    ----------
    fault
        ``status``: answer with an error. The others are for content: ``short_body`` sends half of it as if that were
        all, ``drop_body`` closes the connection in the middle, ``stall_body`` falls silent there for some seconds before it
        does, ``ignore_range`` answers 200 with the whole file,
        ``replace_after`` gives the file other content before it answers.
    status, reason
        Of ``status``: the HTTP status and Google's reason; by default the usual one of the status.
    times
        For how many requests; ``None``: until cleared.
    after
        How many requests it lets pass first.
    file
        Name of the only file that it is for; ``None``: any request.
    media_only
        Of ``status``: whether requests for metadata stay as they are.
    content
        Of ``replace_after``: the new content.
    """

    model_config = ConfigDict(extra="forbid")

    fault: Literal["status", "short_body", "drop_body", "stall_body", "ignore_range", "replace_after"]
    status: int = Field(default=503, ge=400, le=599)
    reason: str | None = None
    times: int | None = Field(default=1, ge=1)
    after: int = Field(default=0, ge=0)
    file: str | None = None
    media_only: bool = False
    content: str = ""

    @model_validator(mode="after")
    def _replacing_needs_a_file(self) -> Fault:
        if self.fault == "replace_after" and self.file is None:
            raise ValueError("replace_after needs the name of a file")
        return self


class Faults:
    """The faults that wait for their request."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        """Let a fault wait."""
        with self._lock:
            self._waiting.append(fault.model_copy())

    def clear(self) -> None:
        """Forget all faults."""
        with self._lock:
            self._waiting.clear()

    def take(self, kinds: Collection[str], file: str | None, *, media: bool) -> Fault | None:
        """Give the fault that this request shows, if any, and count the request against those that wait.

        Parameters
        ----------
        kinds
            Which faults can be shown now.
        file
            Name of the file that is asked for; ``None`` for a listing.
        media
            Whether its content is asked for.
        """
        with self._lock:
            for fault in self._waiting:
                if fault.fault not in kinds or fault.file not in (None, file) or (fault.media_only and not media):
                    continue
                if fault.after:
                    fault.after -= 1
                    continue
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times == 0:
                        self._waiting.remove(fault)
                return fault
        return None


class Count(BaseModel):
    """What was served of a file: requests for its content, failed ones too, and bytes of content sent."""

    name: str
    requests: int = 0
    bytes: int = 0


class Served:
    """Counts what is served, file by file."""

    def __init__(self) -> None:
        self._counts: dict[str, Count] = {}
        self._lock = threading.Lock()

    def add(self, node: Node, *, requests: int = 0, sent: int = 0) -> None:
        """Add requests and bytes to a file's counters."""
        with self._lock:
            count = self._counts.setdefault(node.id, Count(name=node.name))
            count.requests += requests
            count.bytes += sent

    def reset(self) -> None:
        """Start again at zero."""
        with self._lock:
            self._counts.clear()

    def report(self) -> dict[str, Count]:
        """Give the counters by file id."""
        with self._lock:
            return {file_id: count.model_copy() for file_id, count in self._counts.items()}
