"""What is explained of the errors of services, and what the retry policy of the tasks makes of it."""

from __future__ import annotations

import psycopg
import pytest
from airflow.providers.common.compat.sdk import AirflowException
from airflow.providers.databricks.exceptions import DatabricksApiError
from airflow.sdk.definitions.retry_policy import RetryAction
from airflow.sdk.exceptions import AirflowNotFoundException
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.storage.blob import StorageErrorCode

from feeds.errors import DriveAwayError, SchemaError
from feeds.faults import FaultPolicy, explain


def answered(
    status: int, code: str | StorageErrorCode | None = None, kind: type[HttpResponseError] = HttpResponseError
) -> HttpResponseError:
    """Give an error of Blob Storage as the SDK raises it."""
    error = kind("the service's words\nRequestId:1")
    error.status_code = status
    error.error_code = code  # type: ignore[attr-defined] # azure-storage-blob sets it
    return error


PASSES: dict[str, tuple[BaseException, str]] = {
    "drive away": (DriveAwayError("Drive does not give file 1, asked 6 times"), "connection drive: Drive does not give file 1"),
    "blob unreachable": (ServiceRequestError("Connection refused"), "connection blob: Blob Storage does not answer"),
    "blob drops": (ServiceResponseError("reset"), "connection blob"),
    "blob 503": (answered(503, StorageErrorCode.SERVER_BUSY), "(ServerBusy: the service's words)"),
    "blob 500": (answered(500), "(500: "),
    "ledger away": (psycopg.OperationalError("connection refused\nIs it running?"), "not answer (connection refused)"),
    "ledger full": (psycopg.OperationalError('FATAL:  too many connections for role "x"'), "no connection left"),
    "ledger closed": (psycopg.OperationalError('database "ledger" is not currently accepting connections'), "does not answer"),
    "ledger starting": (psycopg.errors.CannotConnectNow("the database system is starting up"), "connection ledger"),
    "ledger is a standby": (psycopg.errors.ReadOnlySqlTransaction("cannot execute INSERT"), "takes no changes"),
    "ledger has no space": (psycopg.errors.DiskFull("could not extend file"), "lacks space or memory (could not extend file)"),
    "ledger deadlock": (psycopg.errors.DeadlockDetected("deadlock detected"), "gave the statement up (deadlock detected)"),
    "ledger lock": (psycopg.errors.LockNotAvailable("canceling statement due to lock timeout"), "gave the statement up"),
    "databricks away": (AirflowException("API requests to Databricks failed 3 times"), "Databricks does not answer (API"),
    "databricks busy": (DatabricksApiError("Response: busy, Status Code: 503", http_status_code=503), "connection databricks"),
}
STAYS: dict[str, tuple[BaseException, str]] = {
    "not defined": (AirflowNotFoundException("The conn_id `blob` isn't defined"), "connection blob: it is not defined"),
    "blob key": (answered(403, "AuthenticationFailed", ClientAuthenticationError), "refuses the login (AuthenticationFailed)"),
    "blob role": (answered(403, "AuthorizationPermissionMismatch"), "or the role of the account"),
    "no container": (answered(404, "ContainerNotFound", ResourceNotFoundError), "its container does not exist"),
    "ledger password": (psycopg.OperationalError('password authentication failed for user "x"'), "correct user or password"),
    "ledger database": (psycopg.OperationalError('FATAL:  database "x" does not exist'), "has no such database"),
    "ledger rights": (psycopg.errors.InsufficientPrivilege("permission denied for schema ledger"), "lacks a right"),
    "databricks token": (DatabricksApiError("Response: no", http_status_code=403), "correct the token"),
    "databricks job": (DatabricksApiError("Response: no such file", http_status_code=400), "run `make deploy-job`"),
}
UNKNOWN = [
    ValueError("x"),
    answered(409, "BlobAlreadyExists"),
    answered(404, "BlobNotFound"),
    psycopg.errors.UniqueViolation("x"),
]


@pytest.mark.parametrize("name", PASSES)
def test_what_passes_is_tried_again(name: str) -> None:
    error, words = PASSES[name]
    decision = FaultPolicy().evaluate(error, try_number=1, max_tries=3)
    assert decision.action is RetryAction.RETRY
    assert decision.retry_delay is None, "the task's own, with back-off"
    assert words in str(decision.reason)
    assert str(decision.reason).endswith("; 3 of 3 retries are left")


@pytest.mark.parametrize("name", STAYS)
def test_what_stays_fails_at_once(name: str) -> None:
    error, words = STAYS[name]
    decision = FaultPolicy().evaluate(error, try_number=1, max_tries=3)
    assert decision.action is RetryAction.FAIL
    assert words in str(decision.reason)
    assert str(decision.reason).endswith("It is not tried again.")


@pytest.mark.parametrize("error", UNKNOWN, ids=lambda error: type(error).__name__)
def test_the_rest_is_left_to_airflow(error: BaseException) -> None:
    assert FaultPolicy().evaluate(error, 1, 3).action is RetryAction.DEFAULT


def test_a_ledger_without_its_schema_is_tried_again_in_its_own_words() -> None:
    error = SchemaError("run psql ...")
    error.__cause__ = AirflowNotFoundException("The conn_id `ledger_owner` isn't defined")
    assert explain(error) is None
    assert FaultPolicy().evaluate(error, 1, 3).action is RetryAction.DEFAULT


def test_the_last_try_says_what_happens_then() -> None:
    decision = FaultPolicy().evaluate(ServiceRequestError("Connection refused"), try_number=4, max_tries=3)
    assert str(decision.reason).endswith("no retry is left: the next run carries on")


def test_a_cause_is_found() -> None:
    try:
        try:
            raise psycopg.OperationalError("connection refused")
        except psycopg.OperationalError as error:
            raise ConnectionError("in our own words") from error
    except ConnectionError as error:
        fault = explain(error)
    assert fault is not None
    assert fault.connection == "ledger"
