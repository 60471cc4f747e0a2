"""Notes on runs: what a run does, in the words of the trigger form, on the run's page in Airflow and in its list of runs.

A listener of Airflow's. The scheduler calls it when a run starts and ends, with its own session: the note becomes part of the
transaction that changes the run's state. An error in here is logged by Airflow, and the run goes on. A note that somebody has
written stays.

Every process of Airflow imports this file, so it imports little; nothing of ``feeds``, which the workers that the scheduler forks
would otherwise keep as it was when the scheduler started.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin

if TYPE_CHECKING:
    from airflow.models import DagRun
    from airflow.models.xcom import XComModel

PIPELINE, AUDIT = "transaction_patterns", "audit_feed"
MOST_CHARACTERS = 1000
"""Of a note in Airflow's database."""

_NO_SETTING = frozenset(
    ("feed", "folder_id", "transactions_file", "importance_file", "first_chunk", "last_chunk", "batch_chunks", "flush", "rebuild")
)

Facts = Mapping[str, Any]
"""The XComs that ``land_chunks`` of the run has left, by key."""


@hookimpl
def on_dag_run_running(dag_run: DagRun, msg: str) -> None:
    """Note what a run asks for that somebody has triggered."""
    if dag_run.dag_id in (PIPELINE, AUDIT):
        _write(dag_run, {})


@hookimpl
def on_dag_run_success(dag_run: DagRun, msg: str) -> None:
    """Note what the run has done."""
    if dag_run.dag_id in (PIPELINE, AUDIT):
        _write(dag_run, _facts(dag_run))


@hookimpl
def on_dag_run_failed(dag_run: DagRun, msg: str) -> None:
    """Note what the run was about."""
    if dag_run.dag_id in (PIPELINE, AUDIT):
        _write(dag_run, _facts(dag_run))


def describe(dag_id: str, asked: Mapping[str, Any], facts: Facts) -> str:
    """Say what a run does.

    Parameters
    ----------
    dag_id
        The DAG.
    asked
        The params of the run that differ from the form's defaults.
    facts
        What it has left so far.

    Returns
    -------
    str
        Empty when nothing is known yet.
    """
    feed = asked.get("feed") or facts.get("feed")
    if not feed:
        return str(facts.get("skipped_because", ""))
    if dag_id == AUDIT:
        return f"audit of feed {feed}"
    settings = ", ".join(f"{name} {value}" for name, value in asked.items() if name not in _NO_SETTING)
    with_settings = f" with {settings}" if settings else ""
    first, last = asked.get("first_chunk"), asked.get("last_chunk")
    if asked.get("rebuild"):
        return f"rebuild of feed {feed}{with_settings}"
    text = f"feed {feed}" if first is None and last is None else f"{_range(first, last)} of feed {feed}"
    if size := asked.get("batch_chunks"):
        text += f" in batches of {size}"
    text += with_settings + (", with its last detections" if asked.get("flush") else "")
    landed = facts.get("return_value")
    if landed is None or landed["batch_id"] is None or (landed["first_chunk"], landed["last_chunk"]) == (first, last):
        return text
    return f"{text}{', ' if first is None and last is None else ': '}{_range(landed['first_chunk'], landed['last_chunk'])}"


def _range(first: int | None, last: int | None) -> str:
    if first is None:
        return f"chunks up to {last}"
    if last is None:
        return f"chunks from {first}"
    return f"chunk {first}" if first == last else f"chunks {first}-{last}"


def _asked(dag_run: DagRun) -> dict[str, Any]:
    form = dag_run.get_dag().params
    conf = dag_run.conf or {}
    return {name: conf[name] for name in form if name in conf and conf[name] != form[name]}


def _facts(dag_run: DagRun) -> Facts:
    from airflow.models.xcom import XComModel
    from sqlalchemy.orm import object_session

    session = object_session(dag_run)
    if session is None:
        return {}
    found = XComModel.get_many(run_id=dag_run.run_id, dag_ids=dag_run.dag_id, task_ids="land_chunks")
    xcoms: Iterable[XComModel] = session.scalars(found)
    return {xcom.key: XComModel.deserialize_value(xcom) for xcom in xcoms}


def _write(dag_run: DagRun, facts: Facts) -> None:
    asked = _asked(dag_run)
    text = describe(dag_run.dag_id, asked, facts)[:MOST_CHARACTERS]
    if text and dag_run.note in (None, describe(dag_run.dag_id, asked, {})[:MOST_CHARACTERS]):
        dag_run.note = text


class RunNotesPlugin(AirflowPlugin):
    """Registers the listener."""

    name = "run_notes"
    listeners = [sys.modules[__name__]]  # noqa: RUF012 -- Airflow's interface
