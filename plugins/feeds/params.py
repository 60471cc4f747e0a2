"""What a run asks for, read from its params."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from feeds.errors import FeedSettingsError
from feeds.forms import trigger_params
from feeds.request import FeedRequest
from feeds.settings import FeedSettings

if TYPE_CHECKING:
    from airflow.sdk import Context


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
        The range is upside down, wishes contradict each other or are about no feed, or a name in the configuration is unknown.
    """
    names = [item.name for item in fields(FeedSettings)]
    _refuse_what_meets_no_feed(params, conf)
    _refuse_contradictions(params)
    defaults = FeedSettings().as_json()
    from_form = all(name in conf for name in names)
    asked = {name for name in names if name in conf and not (from_form and params[name] == defaults[name])}
    return FeedRequest(
        feed=feed,
        settings={name: params[name] for name in names if name in asked},
        folder_id=params["folder_id"],
        transactions_file=params["transactions_file"],
        importance_file=params["importance_file"],
        first_chunk=params["first_chunk"],
        last_chunk=params["last_chunk"],
        batch_chunks=params["batch_chunks"],
        flush=params["flush"],
        rebuild=params["rebuild"],
        scheduled=not params["feed"],
    )


def _refuse_what_meets_no_feed(params: Mapping[str, Any], conf: Mapping[str, Any]) -> None:
    """Refuse names that the form does not have, and wishes of a run that names no feed: which one they would meet is chance."""
    form = trigger_params()
    if unknown := sorted(set(conf) - set(form)):
        raise FeedSettingsError(f"the run's configuration has {', '.join(unknown)}; it may have {', '.join(form)}")
    wishes = [name for name, field in form.items() if name in conf and params[name] != field.value]
    if wishes and not params["feed"]:
        raise FeedSettingsError(f"{', '.join(wishes)}: this is about one feed, and the run names none in feed")


def _refuse_contradictions(params: Mapping[str, Any]) -> None:
    """Refuse what no schema of a single field can."""
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
    if params["rebuild"] and ranged:
        raise FeedSettingsError("rebuild takes all applied chunks of a feed: name no first_chunk or last_chunk")
