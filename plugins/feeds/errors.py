"""Errors that no retry can mend: bad input, wrong settings, missing permissions.

Each says what happened, where, and what to do. Airflow fails a task at once on them (``AirflowFailException``); faults of the
network stay what the library raised, and are retried with back-off.
"""

from __future__ import annotations

from airflow.sdk.exceptions import AirflowFailException


class FeedError(AirflowFailException):
    """Base of all errors that a person has to act on."""


class FeedSettingsError(FeedError):
    """A setting is unknown, out of range, or differs from the one the feed was started with."""


class DriveAccessError(FeedError):
    """Drive does not have the file, has it more than once, or does not show it to this account."""


class DriveAwayError(Exception):
    """Drive did not answer, or not as it should, each time that it was asked. No :class:`FeedError`: it may later."""


class SchemaError(Exception):
    """The ledger has another schema than this version needs, and Airflow cannot change that.

    No :class:`FeedError`: somebody may have applied the schema when the task is tried again.
    """


class SourceFormatError(FeedError):
    """The source is not the CSV that is expected: empty, a page of HTML, or without a needed column."""


class SourceChangedError(FeedError):
    """The part of the source that has landed already is no longer the same. Nothing was landed."""


class ChunkGapError(FeedError):
    """The chunks asked for do not start right after what is landed or applied, or lie beyond the feed's end."""


class RejectLimitError(FeedError):
    """More rows of a chunk were rejected than the feed's ``max_reject_percent`` allows."""


class AuditError(FeedError):
    """The ledger, or what lies in Blob Storage or on Drive, is not what the landed chunks give."""


class BatchError(FeedError):
    """The detection job's result does not fit the ledger; nothing was committed."""
