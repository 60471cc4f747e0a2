"""Alerts: a failed task, and a run whose work was done later than its freshness budget allows.

Off, unless there is an Airflow connection named ``alerts``; its type says which of the providers' notifiers sends. It is looked
up when there is something to tell, in callbacks that run after Airflow knows how the task has ended: an alert can neither fail a
run nor delay one, and one that cannot be sent is an error in the task's log.

The texts are handed to the notifier as values of its template, not as the template: an error may quote any text from the data.
"""

from __future__ import annotations

import html
import importlib
import logging
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

from feeds.due_feed import DUE_AT, FEED
from feeds.faults import explain

if TYPE_CHECKING:
    from airflow.sdk import Connection, Context

log = logging.getLogger(__name__)

CONN_ID = "alerts"
FRESHNESS_SECONDS = 60
"""The budget, unless the connection's extra has ``freshness_seconds``: several times what runs need at a chunk a second."""

MOST_CHARACTERS = 1_000
"""Of an error: the whole of it is in the log."""

_TITLE, _TEXT = "{{ alert.title }}", "{{ alert.text }}"


class _Channel(NamedTuple):
    """How a type of connection is sent to: package and class of its notifier, its arguments, and how texts are escaped for it."""

    package: str
    notifier: str
    arguments: Callable[[Mapping[str, Any]], dict[str, Any]]
    escape: Callable[[str], str]


def _as_it_is(text: str) -> str:
    return text


def _escaped(text: str) -> str:
    """Escape ``&``, ``<`` and ``>``: by them HTML has its tags, and Slack links and mentions."""
    return html.escape(text, quote=False)


_CHANNELS = {
    "apprise": _Channel(
        "apache-airflow-providers-apprise",
        "airflow.providers.apprise.notifications.apprise.AppriseNotifier",
        lambda _extra: {"title": _TITLE, "body": _TEXT, "apprise_conn_id": CONN_ID},
        _as_it_is,
    ),
    "slack": _Channel(
        "apache-airflow-providers-slack",
        "airflow.providers.slack.notifications.slack.SlackNotifier",
        lambda extra: {"text": f"*{_TITLE}*\n{_TEXT}", "channel": extra["channel"], "slack_conn_id": CONN_ID},
        _escaped,
    ),
    "slackwebhook": _Channel(
        "apache-airflow-providers-slack",
        "airflow.providers.slack.notifications.slack_webhook.SlackWebhookNotifier",
        lambda _extra: {"text": f"*{_TITLE}*\n{_TEXT}", "slack_webhook_conn_id": CONN_ID},
        _escaped,
    ),
    "smtp": _Channel(
        "apache-airflow-providers-smtp",
        "airflow.providers.smtp.notifications.smtp.SmtpNotifier",
        lambda extra: {"to": extra["to"], "subject": _TITLE, "html_content": f"<p>{_TEXT}</p>", "smtp_conn_id": CONN_ID},
        _escaped,
    ),
}


def alert_failure(context: Context) -> None:
    """Tell that a task has failed for good: a callback on failure."""
    connection = _connection()
    if connection is None:
        return
    ti, error = context["ti"], context.get("exception")
    said = _masked((isinstance(error, BaseException) and explain(error)) or error or "its log has the reason")
    run_id = context["dag_run"].run_id
    text = f"{said[:MOST_CHARACTERS]} (feed {_feed(context)}, run {run_id}, log: {getattr(ti, 'log_url', 'see the run')})"
    _send(connection, context, f"{ti.dag_id}: {ti.task_id} failed", text)


def alert_lateness(context: Context) -> None:
    """Tell when a run's work was done later than the freshness budget after it had come due: a callback of the last task.

    Of a run that somebody triggered it says nothing: it does what was asked, when it was asked.
    """
    due_at = context["ti"].xcom_pull(task_ids="land_chunks", key=DUE_AT)
    late = 0 if due_at is None else time.time() - due_at
    connection = _connection() if late > 0 else None
    if connection is None:
        return
    budget = float(connection.extra_dejson.get("freshness_seconds", FRESHNESS_SECONDS))
    if late <= budget:
        return
    title = f"{context['ti'].dag_id}: feed {_feed(context)} is late"
    text = f"Its work was done {late:,.0f} s after it had come due; the budget is {budget:g} s (run {context['dag_run'].run_id})."
    _send(connection, context, title, text)


def _connection() -> Connection | None:
    try:
        return BaseHook.get_connection(CONN_ID)
    except AirflowNotFoundException:
        return None


def _feed(context: Context) -> str:
    return str(context["params"].get("feed") or context["ti"].xcom_pull(task_ids="land_chunks", key=FEED) or "not known yet")


def _masked(text: object) -> str:
    """Mask the secrets that Airflow knows, as it does in its logs."""
    from airflow.sdk.log import redact  # type: ignore[attr-defined] # it exports no other function for that

    return str(redact(str(text)))


def _send(connection: Connection, context: Context, title: str, text: str) -> None:
    """Send an alert. What goes wrong is a line in the log without a stack trace: the task's own stays the last one."""
    kind = connection.conn_type or ""
    channel = _CHANNELS.get(kind)
    if channel is None:
        log.error("Connection %s has type %s; alerts go to %s", CONN_ID, kind, ", ".join(_CHANNELS))
        return
    module, _, name = channel.notifier.rpartition(".")
    try:
        notifier = getattr(importlib.import_module(module), name)
        arguments = channel.arguments(connection.extra_dejson)
    except ImportError as error:
        log.error("Connection %s has type %s, which needs %s: %s", CONN_ID, kind, channel.package, error)
        return
    except KeyError as missing:
        log.error("Connection %s of type %s needs %s in its extra", CONN_ID, kind, missing)
        return
    try:
        notifier(**arguments)({**context, "alert": {"title": title, "text": channel.escape(text)}})
    except Exception as error:
        # Whatever a notifier and its service may raise: the run has ended, and its own error matters more.
        log.error("Connection %s: the alert could not be sent: %s", CONN_ID, _masked(error))
    else:
        log.info("Handed an alert to connection %s: %s", CONN_ID, title)
