"""Understanding what Drive answers: byte ranges, which faults pass by themselves, and how Google words the others."""

from __future__ import annotations

import json
import re
from http.client import HTTPException

import httplib2
import requests
from google.auth.exceptions import RefreshError, TransportError
from googleapiclient.errors import HttpError

_PIECE_BYTES = 256 * 1024
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
_RATE_LIMITS = {"rateLimitExceeded", "userRateLimitExceeded"}
_NOT_SHARED = {"notFound", "insufficientFilePermissions"}


class ShortAnswerError(Exception):
    """Content came, but not all that was asked for: a fault of the network or of the server, worth another try."""


def content_range(header: str) -> tuple[int | None, int | None]:
    """Read a ``Content-Range`` header: where the bytes start, and the size of the whole; ``None``: it does not say."""
    match = _CONTENT_RANGE.fullmatch(header)
    if match is None:
        return None, None
    return int(match[1]), None if match[2] == "*" else int(match[2])


def take(response: requests.Response, start: int, end: int) -> bytes:
    """Give bytes ``[start, end)`` of an answer's body; those before are dropped as they come, the rest is not read.

    Raises
    ------
    ShortAnswerError
        The body ends before ``end``.
    """
    taken = bytearray()
    at = 0
    for piece in response.iter_content(_PIECE_BYTES):
        taken += piece[max(start - at, 0) : end - at]
        at += len(piece)
        if at >= end:
            return bytes(taken)
    raise ShortAnswerError(f"Drive sent {at} bytes of an answer that should have {end}")


def reason(error: HttpError) -> str:
    """Give the word with which Google says why, e.g. ``rateLimitExceeded``; empty when there is none."""
    try:
        return str(json.loads(error.content)["error"]["errors"][0]["reason"])
    except (ValueError, LookupError, TypeError):
        return ""


def advice(error: HttpError, account: str) -> str:
    """Say what to do about a refusal: share the file, or what Google says."""
    if error.status_code == 404 or reason(error) in _NOT_SHARED:
        return f"correct the id, or share it with {account} as a viewer"
    # The API is switched off, the scope too small, a quota used up: Google says which, and often where to change it.
    try:
        said = str(json.loads(error.content)["error"]["message"])
    except (ValueError, LookupError, TypeError):
        said = "nothing more"
    return f"Google says to {account}: {said}"


def passes(error: BaseException) -> bool:
    """Say whether the same request may well succeed a little later.

    The client's own retries know the same statuses, but not a connection that is lost while a body is read.
    """
    if isinstance(error, HttpError):
        status = error.status_code
        return bool(status == 429 or status >= 500 or (status == 403 and reason(error) in _RATE_LIMITS))
    if isinstance(error, RefreshError):
        return bool(error.retryable)
    # The errors of requests are OSErrors.
    return isinstance(error, ShortAnswerError | OSError | HTTPException | httplib2.HttpLib2Error | TransportError)
