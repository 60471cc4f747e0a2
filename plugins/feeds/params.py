"""The trigger forms, and what a run asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from airflow.sdk import Param

from feeds.errors import FeedSettingsError
from feeds.request import FeedRequest
from feeds.settings import REJECT_LIMIT, FeedSettings

if TYPE_CHECKING:
    from airflow.sdk import Context

_WHEN_CHANGED = {REJECT_LIMIT: "A feed that runs already takes another value, too, unless it is the default."}

FEED_PATTERN = r"^[a-z0-9][a-z0-9-]{0,62}$(?!\n)"


def trigger_params() -> dict[str, Param]:
    """Describe the trigger form: the feed, where its files are, the range, and the settings of a new feed."""
    feed = {
        "feed": Param(
            None,
            type=["null", "string"],
            pattern=FEED_PATTERN,
            title="Feed",
            section="Feed",
            description="Name of the feed: small letters, digits and dashes. A new name starts a new feed. "
            "Empty: carry on the feed whose work has waited longest, as scheduled runs do.",
        ),
        "folder_id": Param(
            "root",
            type="string",
            minLength=1,
            title="Drive folder",
            section="Feed",
            description="New feed: id of the Drive folder with its files, from the folder's address.",
        ),
        "transactions_file": Param(
            "transactions.csv", type="string", minLength=1, section="Feed", description="New feed: name of the transactions file."
        ),
        "importance_file": Param(
            "CustomerImportance.csv",
            type="string",
            minLength=1,
            section="Feed",
            description="New feed: name of the file with Source, Target, Weight and typeTrans.",
        ),
        "first_chunk": Param(
            None,
            type=["null", "integer"],
            minimum=1,
            section="This run",
            description="First chunk to land and apply. Chunks that are applied already are skipped. Empty: the next one.",
        ),
        "last_chunk": Param(
            None,
            type=["null", "integer"],
            minimum=1,
            section="This run",
            description="Last chunk to land and apply, also before it is due. "
            "Both empty: what is due, and scheduled runs carry the feed on.",
        ),
        "batch_chunks": Param(
            None,
            type=["null", "integer"],
            minimum=1,
            section="This run",
            description="Apply the range in batches of at most so many chunks: this run takes the first, scheduled runs take "
            "the others. Empty: the range is one batch.",
        ),
        "flush": Param(
            False,
            type="boolean",
            section="This run",
            description="Write all waiting detections at the end of the run, also when they do not fill a file.",
        ),
        "rebuild": Param(
            False,
            type="boolean",
            section="This run",
            description="Recompute state and detections from the landed chunks, also with other rules: those below that differ "
            "from the defaults (back to a default only by command line or REST API). What is in a file already stays there; "
            "the log of the last task says what has changed.",
        ),
    }
    defaults = FeedSettings().as_json()
    settings = {
        item.name: Param(
            defaults[item.name],
            description=f"{item.metadata['description']} {_WHEN_CHANGED.get(item.name, 'Fixed when the feed starts.')}",
            section="Settings of a new feed",
            **item.metadata["schema"],
        )
        for item in fields(FeedSettings)
    }
    return feed | settings


def audit_params() -> dict[str, Param]:
    """Describe the trigger form of ``audit_feed``."""
    return {
        "feed": Param(
            type="string",
            pattern=FEED_PATTERN,
            title="Feed",
            section="Feed",
            description="Name of the feed to audit, up to its last applied chunk. It may go on meanwhile.",
        )
    }


def feed_request(context: Context, feed: str) -> FeedRequest:
    """Read what a run asks for. Only settings that it names itself count; the form's defaults do not bind a running feed."""
    run = context["dag_run"]
    return replace(request_from(context["params"], run.conf or {}, feed), run_id=run.run_id)


def request_from(params: Mapping[str, Any], conf: Mapping[str, Any], feed: str) -> FeedRequest:
    """Combine the validated params of a run with the names that its configuration mentions.

    Airflow's trigger form puts every field into the configuration, changed or not. So when all settings are there, only those
    that differ from their defaults are taken as asked for.

    Raises
    ------
    FeedSettingsError
        The range is upside down, wishes contradict each other, or a name in the configuration is unknown.
    """
    names = [item.name for item in fields(FeedSettings)]
    if unknown := sorted(set(conf) - set(trigger_params())):
        raise FeedSettingsError(f"the run's configuration has {', '.join(unknown)}; it may have {', '.join(trigger_params())}")
    first, last = params["first_chunk"], params["last_chunk"]
    if first is not None and last is not None and first > last:
        raise FeedSettingsError(f"first_chunk {first} is behind last_chunk {last}")
    ranged = first is not None or last is not None
    if params["batch_chunks"] is not None and not ranged:
        raise FeedSettingsError("batch_chunks divides a range: name first_chunk or last_chunk as well")
    if params["batch_chunks"] is not None and params["flush"]:
        raise FeedSettingsError(
            "flush writes what waits at the end of this run; batch_chunks leaves most to later ones: flush later"
        )
    if params["rebuild"] and (ranged or not params["feed"]):
        raise FeedSettingsError("rebuild takes all applied chunks of a feed: name the feed, and no first_chunk or last_chunk")
    defaults = FeedSettings().as_json()
    from_form = all(name in conf for name in names)
    asked = {name for name in names if name in conf and not (from_form and params[name] == defaults[name])}
    return FeedRequest(
        feed=feed,
        settings={name: params[name] for name in names if name in asked},
        folder_id=params["folder_id"],
        transactions_file=params["transactions_file"],
        importance_file=params["importance_file"],
        first_chunk=first,
        last_chunk=last,
        batch_chunks=params["batch_chunks"],
        flush=params["flush"],
        rebuild=params["rebuild"],
        scheduled=not params["feed"],
    )
