"""What an error means that came from a service: which connection, whether it may pass by itself, and what to do.

It is the retry policy of every task, those of the providers' operators included: an error that only a person can mend fails the
task at once, one of the network or of a service that is away is tried again with back-off, and for both the log ends with a
sentence that names the connection. Errors over the input (:mod:`feeds.errors`) say all of that themselves, and do not come here.

Only faults that are known are explained. Any other error is left to Airflow, which tries the task again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from airflow.sdk import RetryPolicy
from airflow.sdk.definitions.retry_policy import RetryDecision

from feeds.errors import DriveAwayError, SchemaError

if TYPE_CHECKING:
    from airflow.sdk import Context


@dataclass(frozen=True)
class Fault:
    """A fault of a service.

    Attributes
    ----------
    connection
        The Airflow connection that leads to it.
    text
        What has happened, and what to do.
    passes
        Whether the same may succeed a little later.
    """

    connection: str
    text: str
    passes: bool

    def __str__(self) -> str:
        """Give the sentence that ends the log."""
        return f"connection {self.connection}: {self.text}"


def explain(error: BaseException) -> Fault | None:
    """Explain an error by itself or by what it was raised from; ``None``: it is no fault that is known, or says all itself."""
    if isinstance(error, SchemaError):
        return None
    for cause in _causes(error):
        for explainer in (_missing, _drive, _blob, _ledger, _databricks):
            if fault := explainer(cause):
                return fault
    return None


class FaultPolicy(RetryPolicy):
    """Fails a task at once over a fault that does not pass, and says of each what it means."""

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        """Decide by :func:`explain`; how long to wait is the task's ``retry_delay``."""
        fault = explain(exception)
        if fault is None:
            return RetryDecision.default()
        if not fault.passes:
            return RetryDecision.fail(f"{fault}. It is not tried again.")
        left = max(0, max_tries + 1 - try_number)
        after = f"{left} of {max_tries} retries are left" if left else "no retry is left: the next run carries on"
        return RetryDecision.retry(reason=f"{fault}; {after}")


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__  # type: ignore[assignment] # the loop ends on None


def _missing(error: BaseException) -> Fault | None:
    from airflow.sdk.exceptions import AirflowNotFoundException

    if not isinstance(error, AirflowNotFoundException):
        return None
    names = ("drive", "blob", "ledger", "databricks")
    found = next((name for name in names if f"`{name}`" in str(error)), "unknown")
    return Fault(found, f"it is not defined ({error}): create it, the README lists what each needs", passes=False)


def _drive(error: BaseException) -> Fault | None:
    return Fault("drive", str(error), passes=True) if isinstance(error, DriveAwayError) else None


def _blob(error: BaseException) -> Fault | None:
    from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

    if not isinstance(error, AzureError):
        return None
    status = error.status_code if isinstance(error, HttpResponseError) else None
    code = getattr(error, "error_code", None)
    code = str(getattr(code, "value", code) or status or type(error).__name__)  # an enumeration's member, or text
    if isinstance(error, ClientAuthenticationError) or status in (401, 403):
        return Fault(
            "blob", f"Blob Storage refuses the login ({code}): correct the key, or the role of the account", passes=False
        )
    if code == "ContainerNotFound":
        text = "its container does not exist: create it, or correct `container` in the extra of the connection"
        return Fault("blob", text, passes=False)
    if status is None or status >= 500 or status in (408, 429) or code == "ContainerBeingDeleted":
        return Fault("blob", f"Blob Storage does not answer as it should ({code}: {_first_line(error)})", passes=True)
    return None


class _Refusal(NamedTuple):
    """How PostgreSQL refuses, the first that fits: by SQLSTATE, or, as a refused connection has none, by the server's words."""

    state: str | tuple[str, ...]
    words: str
    text: str
    passes: bool


_REFUSALS = (
    _Refusal(
        "28",
        "authentication failed|no pg_hba.conf entry|is not permitted to log in|permission denied for database",
        "PostgreSQL refuses the login ({line}): correct user or password",
        passes=False,
    ),
    _Refusal(
        "3D000",
        'database ".*" does not exist',
        "PostgreSQL has no such database ({line}): correct the schema of the connection",
        passes=False,
    ),
    _Refusal(
        "42501", "permission denied for", "the user lacks a right ({line}): grant it the role of the pipeline", passes=False
    ),
    _Refusal(
        "25006",
        "read-only transaction",
        "PostgreSQL takes no changes ({line}): it is a standby, or was set to read-only",
        passes=True,
    ),
    _Refusal(
        "53300",
        "too many connections|too many clients|remaining connection slots",
        "PostgreSQL has no connection left ({line}): raise the limit, or end others",
        passes=True,
    ),
    _Refusal("53", "No space left", "PostgreSQL lacks space or memory ({line}): free some, or give it more", passes=True),
    _Refusal(
        ("40", "55P03", "57014"),
        "deadlock detected|canceling statement",
        "PostgreSQL gave the statement up ({line}): others held what it needs, or somebody cancelled it",
        passes=True,
    ),
)


def _ledger(error: BaseException) -> Fault | None:
    import psycopg

    if not isinstance(error, psycopg.Error):
        return None
    state, line = error.sqlstate or "", _first_line(error)
    for refusal in _REFUSALS:
        if state.startswith(refusal.state) if state else re.search(refusal.words, line):
            return Fault("ledger", refusal.text.format(line=line), refusal.passes)
    if isinstance(error, psycopg.OperationalError):
        return Fault("ledger", f"PostgreSQL does not answer ({line})", passes=True)
    return None


_REFUSED_SUBMISSION = (400, 404)


def refused_submission(error: object) -> str | None:
    """Give Databricks' words if an error is its refusal of what was submitted; ``None``: it is another, or none."""
    from airflow.providers.databricks.exceptions import DatabricksApiError

    for cause in _causes(error) if isinstance(error, BaseException) else ():
        if isinstance(cause, DatabricksApiError) and cause.http_status_code in _REFUSED_SUBMISSION:
            return _first_line(cause)
    return None


def _databricks(error: BaseException) -> Fault | None:
    from airflow.providers.common.compat.sdk import AirflowException
    from airflow.providers.databricks.exceptions import DatabricksApiError

    if isinstance(error, DatabricksApiError):
        status, line = error.http_status_code, _first_line(error)
        if status in (401, 403):
            text = f"Databricks refuses the login ({status}): correct the token, or what its owner may do. It said: {line}"
            return Fault("databricks", text, passes=False)
        if status in _REFUSED_SUBMISSION:
            text = (
                "Databricks cannot start the job: run `make deploy-job` for this version, or correct `job_folder` or `compute` "
                "in the extra. If somebody has deleted the batch's run in the workspace, there is nothing to do: the "
                f"pipeline's next run starts another. It said: {line}"
            )
            return Fault("databricks", text, passes=False)
        return Fault("databricks", f"Databricks does not answer as it should ({line})", passes=True)
    if isinstance(error, AirflowException) and str(error).startswith("API requests to Databricks failed"):
        return Fault("databricks", f"Databricks does not answer ({_first_line(error)})", passes=True)
    return None


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:300]
