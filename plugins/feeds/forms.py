"""The trigger forms: their fields in sections, each with its title, what it means, its limits and examples.

Airflow shows one section at a time, and none at first: what most runs are about is in one.

Airflow's form keeps a number inside its limits and a text inside its length, and does not submit while a field that must have a
value is empty. All that a schema says is checked again when the run is triggered, from the form, the REST API and the command
line alike: what it refuses, the form shows above its button, and there is no run. What no schema of one field can say,
:func:`feeds.params.request_from` refuses in the first task.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from airflow.sdk import Param

from feeds.settings import NEW_FEED, REJECT_LIMIT, FeedSettings

LONGEST_NAME = 63
FEED_PATTERN = rf"^[a-z0-9][a-z0-9-]{{0,{LONGEST_NAME - 1}}}$(?!\n)"
DRIVE_ID_PATTERN = r"^[A-Za-z0-9_-]+$(?!\n)"
LAST_POSSIBLE_CHUNK = 2_147_483_647
"""The ledger numbers chunks with PostgreSQL's ``integer``."""

_MOST_WORTH_READING = 1_000_000
_RUN = "The feed, and what this run does"

_WHEN_CHANGED = {
    REJECT_LIMIT: "For a new feed, and for one that this limit has stopped: with another value it goes on without the rejected "
    "rows (from this form not with the default; over the REST API or by command line with any)."
}


def trigger_params() -> dict[str, Param]:
    """Describe the trigger form of ``transaction_patterns``: the feed, what this run does, and what a new feed is."""
    return _feed() | _this_run() | _files_on_drive() | _settings()


def audit_params() -> dict[str, Param]:
    """Describe the trigger form of ``audit_feed``."""
    return {
        "feed": _field(
            "feed",
            "Feed",
            _RUN,
            "Name of the feed to audit, up to its last applied chunk. It may go on meanwhile. Example: bank-2026.",
            type="string",
            pattern=FEED_PATTERN,
            maxLength=LONGEST_NAME,
        )
    }


def _feed() -> dict[str, Param]:
    return {
        "feed": _field(
            "feed",
            "Feed",
            _RUN,
            f"Name of the feed: small letters, digits and dashes, at most {LONGEST_NAME}. Example: bank-2026. A new name "
            "starts a new feed. Empty: carry on the feed that has been due longest, as scheduled runs do; then leave all "
            "other fields as they are.",
            default=None,
            type=["null", "string"],
            pattern=FEED_PATTERN,
            maxLength=LONGEST_NAME,
        )
    }


def _this_run() -> dict[str, Param]:
    return {
        "first_chunk": _chunks(
            "first_chunk",
            "First chunk",
            "First chunk to land and apply; what is applied already is skipped. Example: 31, with 40 as the last "
            "one, for ten chunks. Empty: the next one.",
        ),
        "last_chunk": _chunks(
            "last_chunk",
            "Last chunk",
            "Last chunk to land and apply, also before it is due; not before first_chunk. Both empty: what is due, and scheduled "
            "runs carry the feed on.",
        ),
        "batch_chunks": _chunks(
            "batch_chunks",
            "Chunks per batch",
            "Apply the range in batches of at most so many chunks: this run takes the first, scheduled runs take the others. "
            "Needs a range, and no flush. Empty: 600, fewer of chunks with more than 10,000 rows.",
        ),
        "flush": _field(
            "flush",
            "Write the last detections",
            _RUN,
            "Write all waiting detections at the end of the run, also when they do not fill a file.",
            default=False,
            type="boolean",
        ),
        "rebuild": _field(
            "rebuild",
            "Rebuild",
            _RUN,
            "Recompute state and detections from the landed chunks; without a range. Rules below that differ from their defaults "
            "become those of the feed (back to a default only over the REST API or by command line). What is in a file already "
            "stays there; the log of the last task says what has changed.",
            default=False,
            type="boolean",
        ),
    }


def _files_on_drive() -> dict[str, Param]:
    return {
        "folder_id": _field(
            "folder_id",
            "Drive folder",
            NEW_FEED,
            "Id of the folder: the last part of its address in the browser, behind folders/. For the top folder of the "
            "service account: root.",
            default="root",
            type="string",
            pattern=DRIVE_ID_PATTERN,
            minLength=1,
            maxLength=200,
        ),
        "transactions_file": _file_name("transactions_file", "Transactions file", "transactions.csv", "the transactions file"),
        "importance_file": _file_name(
            "importance_file", "Importance file", "CustomerImportance.csv", "the file with Source, Target, Weight and typeTrans"
        ),
    }


def _settings() -> dict[str, Param]:
    defaults = FeedSettings().as_json()
    return {
        item.name: _field(
            item.name,
            item.metadata["title"],
            item.metadata["section"],
            f"{item.metadata['description']} {_WHEN_CHANGED.get(item.name, '')}".strip(),
            default=defaults[item.name],
            **item.metadata["schema"],
        )
        for item in fields(FeedSettings)
    }


def _chunks(name: str, title: str, text: str) -> Param:
    return _field(
        name, title, _RUN, text, default=None, type=["null", "integer"], minimum=1, maximum=LAST_POSSIBLE_CHUNK
    )  # fmt: skip


def _file_name(name: str, title: str, default: str, what: str) -> Param:
    text = f"Name of {what} in that folder. Example: {default}."
    return _field(name, title, NEW_FEED, text, default=default, type="string", minLength=1, maxLength=255)


def _field(name: str, title: str, section: str, text: str, **schema: Any) -> Param:
    """Give a field; its text begins with the name that REST API and command line have for it, and ends with its limits."""
    text = f"**{name}**: {text}{_limits(schema)}"
    if "default" in schema:
        return Param(schema.pop("default"), title=title, section=section, description_md=text, **schema)
    return Param(title=title, section=section, description_md=text, **schema)


def _limits(schema: dict[str, Any]) -> str:
    """Say between what a number must lie; a limit that nobody comes near is not worth reading."""
    if "maximum" not in schema:
        return ""
    whole = "A whole number, " if "integer" in schema["type"] else ""
    limits = (
        f"{schema['minimum']:,} to {schema['maximum']:,}"
        if schema["maximum"] <= _MOST_WORTH_READING
        else f"at least {schema['minimum']}"
    )
    return f" {(whole + limits).capitalize()}."
