"""Errors in the shape in which Google sends them: clients decide by ``reason`` whether to try again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

REASONS = {
    400: ("badRequest", "Bad Request"),
    401: ("authError", "Invalid Credentials"),
    403: ("insufficientFilePermissions", "The user does not have sufficient permissions for this file."),
    404: ("notFound", "File not found."),
    429: ("rateLimitExceeded", "Rate Limit Exceeded"),
    500: ("internalError", "Internal Error"),
    503: ("backendError", "Service Unavailable"),
}
"""Google's usual reason and message of a status."""


class DriveProblem(Exception):
    """An error answer of the Drive API.

    Parameters
    ----------
    status
        HTTP status.
    reason, message
        Google's word for it, and its sentence; by default the usual ones of the status.
    location
        The parameter or header that is at fault.
    headers
        Further response headers.
    """

    def __init__(
        self,
        status: int,
        reason: str | None = None,
        message: str | None = None,
        *,
        location: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        usual_reason, usual_message = REASONS.get(status, ("backendError", f"Error {status}"))
        self.status = status
        self.reason = reason or usual_reason
        self.message = message or usual_message
        self.location = location
        self.headers = dict(headers or {})
        super().__init__(self.message)

    def body(self) -> dict[str, Any]:
        """Give the JSON body."""
        detail = {"message": self.message, "domain": "global", "reason": self.reason}
        if self.location:
            in_header = self.location == "Authorization"
            detail |= {"locationType": "header" if in_header else "parameter", "location": self.location}
        return {"error": {"code": self.status, "message": self.message, "errors": [detail]}}


def file_not_found(file_id: str) -> DriveProblem:
    """Give the answer for an id that does not exist or that this account cannot see: Drive does not tell them apart."""
    return DriveProblem(404, message=f"File not found: {file_id}.", location="fileId")


class TokenProblem(Exception):
    """An error answer of the token endpoint, which has OAuth's shape and not Drive's."""

    def __init__(self, error: str, description: str) -> None:
        self.error = error
        self.description = description
        super().__init__(description)

    def body(self) -> dict[str, str]:
        """Give the JSON body; its status is always 400."""
        return {"error": self.error, "error_description": self.description}
