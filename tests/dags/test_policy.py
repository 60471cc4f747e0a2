"""What every DAG and task of ours has, and how ``transaction_patterns`` is wired."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator
from airflow.providers.databricks.operators.databricks import DatabricksJobRunLink, DatabricksSubmitRunOperator
from airflow.providers.microsoft.azure.sensors.wasb import WasbBlobSensor
from airflow.sdk import DAG, Asset
from airflow.sdk.definitions.xcom_arg import XComArg
from airflow.sdk.exceptions import AirflowSkipException

from feeds import alerts, assets, detection, due_feed, errors, submission, tasks
from feeds.ledger import SQL_FOLDER

CHAIN = [
    "land_chunks",
    "chunks_landed",
    "detect_patterns",
    "commit_batch",
    "export_detections",
]


def test_a_dag_says_whose_it_is(each: DAG) -> None:
    assert each.tags
    assert each.description
    assert {task.owner for task in each.tasks} == {"data-engineering"}


def test_a_dag_and_its_tasks_have_names_for_people(each: DAG) -> None:
    names = [each.dag_display_name, *(task.task_display_name for task in each.tasks)]
    assert len(set(names)) == len(names)
    assert not {name for name in names if not re.fullmatch(r"[A-Z][\w ]+", name) or "_" in name}


def test_every_task_says_what_it_does(each: DAG) -> None:
    for task in each.tasks:
        text = task.doc_md or ""
        assert re.match(r"[A-Z].{30,}", text), task.task_id
        assert ":func:" not in text, "the docstring of the function behind it is for programmers"
        assert set(re.findall(r"\*([a-z_]+)\*", text)) <= set(each.params), task.task_id


def test_the_page_begins_with_its_title(dag: DAG, serialized: Any) -> None:
    assert dag.doc_md is not None
    assert dag.doc_md.lstrip().startswith("# Transaction patterns\n\n")
    assert serialized.doc_md == dag.doc_md


@pytest.mark.parametrize(
    "section",
    ["**To watch**", "**To start a feed**", "**To backfill**", "**What is normal.**", "**When a task fails**", "Worry when\n"],
)
def test_the_page_tells_an_operator(dag: DAG, section: str) -> None:
    assert section in (dag.doc_md or "")


def test_the_page_names_what_exists(dag: DAG) -> None:
    page = dag.doc_md or ""
    (picture,) = re.findall(r"^\w+(?: > \w+)+$", page, re.MULTILINE)
    assert picture.split(" > ") == CHAIN
    assert set(re.findall(r"`(\w+)`", page)) <= set(dag.task_ids)
    raised = {error.__name__ for error in (*errors.FeedError.__subclasses__(), errors.SchemaError)}
    assert set(re.findall(r"\*(\w+Error)\*", page)) <= raised
    assert f"*{DatabricksJobRunLink.name}*" in page
    for name in re.findall(r"\*([a-z_]+)\*", page):
        assert name in dag.params
    assert dag.params.get_param("feed").schema["title"] in re.findall(r"\*(\w+)\*", page)


def test_work_that_is_due_starts_a_run(dag: DAG, serialized: Any) -> None:
    assert dag.schedule == [assets.WORK]
    assert type(serialized.timetable).__name__ == "AssetTriggeredTimetable"
    (watcher,) = assets.WORK.watchers
    module, _, name = watcher.trigger.serialize()[0].rpartition(".")
    assert getattr(importlib.import_module(module), name) is due_feed.DueFeedTrigger, "the triggerer finds it by this name"
    assert watcher.trigger.serialize()[1] == {"dag_id": dag.dag_id}


def test_one_run_at_a_time(dag: DAG) -> None:
    assert dag.max_active_runs == 1
    assert dag.catchup is False


def test_a_task_is_tried_again(each: DAG) -> None:
    for task_id in each.task_ids:
        task = _task(each, task_id)
        # A job that has failed costs a cluster and mostly fails over its input; the next run carries on anyway.
        assert task.retries == (1 if task_id == "detect_patterns" else 3)
        assert task.retry_delay == timedelta(seconds=5)
        assert task.retry_exponential_backoff == 2
        assert task.max_retry_delay == timedelta(minutes=5)
        assert task.execution_timeout == timedelta(hours=1, minutes=5 if task_id == "detect_patterns" else 0)


@pytest.mark.parametrize("task_id", CHAIN)
def test_a_task_says_when_it_failed(dag: DAG, task_id: str) -> None:
    assert tasks.record_failure in _as_list(_task(dag, task_id).on_failure_callback)


def test_the_tasks_are_wired_as_a_chain(dag: DAG) -> None:
    assert [task.task_id for task in dag.topological_sort()] == CHAIN
    assert {task.task_id: sorted(task.downstream_task_ids) for task in dag.tasks} == {
        "land_chunks": ["chunks_landed", "export_detections"],
        "chunks_landed": ["detect_patterns"],
        "detect_patterns": ["commit_batch"],
        "commit_batch": ["export_detections"],
        "export_detections": [],
    }


def test_only_the_export_runs_when_detection_is_skipped(dag: DAG) -> None:
    rules = {task.task_id: task.trigger_rule.value for task in dag.tasks}
    assert rules.pop("export_detections") == "none_failed_min_one_success"
    assert set(rules.values()) == {"all_success"}


def test_the_providers_own_operators_are_used(dag: DAG) -> None:
    assert type(_task(dag, "chunks_landed")) is WasbBlobSensor
    assert type(_task(dag, "detect_patterns")) is DatabricksSubmitRunOperator
    assert type(_task(dag, "commit_batch")) is SQLExecuteQueryOperator
    for task_id in ("land_chunks", "export_detections"):
        assert _task(dag, task_id).python_callable is getattr(tasks, task_id)


def test_a_result_is_one_xcom(dag: DAG) -> None:
    assert [_task(dag, task_id).multiple_outputs for task_id in ("land_chunks", "export_detections")] == [False, False]


def test_connections_are_named_as_everywhere(dag: DAG) -> None:
    assert _task(dag, "chunks_landed").wasb_conn_id == "blob"
    assert _task(dag, "detect_patterns").databricks_conn_id == "databricks"
    assert _task(dag, "commit_batch").conn_id == "ledger"


@pytest.mark.parametrize(("chunks", "seconds"), [(600, 3_600), (3_600, 3_600), (86_400, 86_400)])
def test_detection_waits_as_long_as_its_run_may_take(each: DAG, chunks: int, seconds: int) -> None:
    """A rebuild of a day of chunks takes hours: ended after one, it would start anew for ever."""
    timeout = submission.run_timeout({"first_chunk": 1, "last_chunk": chunks, "chunk_size": 10_000})
    task = SimpleNamespace(json={"tasks": [{"timeout_seconds": timeout}]})
    hook = _task(each, "detect_patterns")._pre_execute_hook
    assert hook is not None
    hook({"task": task})
    assert (timeout, task.execution_timeout) == (seconds, timedelta(seconds=seconds, minutes=5))


def test_detection_waits_in_place_and_its_run_is_described_at_every_try(each: DAG) -> None:
    task = _task(each, "detect_patterns")
    assert task.deferrable is False
    assert task.durable is False  # the idempotency token finds the run again, and tells batches apart
    assert task.polling_period_seconds == 0.25
    assert task.json is detection.detection_run
    assert "json" in task.template_fields
    assert task.execution_timeout > timedelta(seconds=submission.RUN_TIMEOUT_SECONDS), "Databricks ends it first, and says so"
    assert detection.record_failed_run in _as_list(task.on_retry_callback)
    assert _as_list(task.on_failure_callback)[0] is detection.record_failed_run


def test_waiting_for_a_blob_costs_no_worker(dag: DAG) -> None:
    task = _task(dag, "chunks_landed")
    assert task.deferrable is True
    assert task.timeout < task.execution_timeout.total_seconds()


@pytest.mark.parametrize(("last_blob", "is_skipped"), [("", True), ("chunks/feed/chunk-000001.csv", False)])
def test_no_blob_is_waited_for_when_land_chunks_names_none(dag: DAG, last_blob: str, is_skipped: bool) -> None:
    sensor = _task(dag, "chunks_landed")
    assert sensor.blob_name == "{{ ti.xcom_pull(task_ids='land_chunks')['last_blob'] }}"
    context: Any = {"task": SimpleNamespace(blob_name=last_blob)}
    with pytest.raises(AirflowSkipException) if is_skipped else nullcontext():
        sensor._pre_execute_hook(context)


def test_commit_is_one_transaction(dag: DAG) -> None:
    task = _task(dag, "commit_batch")
    assert task.split_statements is True
    assert task.autocommit is False


def test_assets_are_published_by_what_makes_them(dag: DAG) -> None:
    assert {task.task_id: [asset.name for asset in task.outlets] for task in dag.tasks if task.outlets} == {
        "land_chunks": ["Landed chunks"],
        "commit_batch": ["State and detections"],
        "export_detections": ["Detection files", "More work"],
    }


def test_the_asset_graph_leads_from_drive_to_the_detection_files(dag: DAG) -> None:
    made_from = {
        asset.name: {source.name for source in task.inlets if isinstance(source, Asset)}
        for task in dag.tasks
        for asset in task.outlets
        if isinstance(asset, Asset)
    }
    assert made_from == {
        "Landed chunks": {"Transactions on Drive", "CustomerImportance on Drive"},
        "State and detections": {"Landed chunks"},
        "Detection files": {"State and detections"},
    }


def test_an_asset_is_the_same_in_every_dag(dag: DAG, audit: DAG) -> None:
    """Airflow refuses tasks over two assets of one name or one URI that differ; a URI says which connection leads there."""
    outlets_and_inlets = [asset for each in (dag, audit) for task in each.tasks for asset in [*task.inlets, *task.outlets]]
    used = {asset for asset in [*outlets_and_inlets, assets.WORK] if isinstance(asset, Asset)}
    declared = [value for value in vars(assets).values() if isinstance(value, Asset)]
    assert {asset.name for asset in used} == {asset.name for asset in declared}
    assert all(asset in declared for asset in used)
    assert len({asset.uri for asset in declared}) == len(declared)
    assert {asset.uri.partition("://")[0] for asset in declared} == {"x-drive", "x-blob", "x-ledger"}
    assert {asset.group for asset in declared} == {assets.GROUP}


def test_links_lead_to_the_page(dag: DAG, serialized: Any) -> None:
    assert {task.task_id: list(task.extra_links) for task in serialized.tasks if task.extra_links} == {
        "land_chunks": ["Chunks of the feed"],
        "detect_patterns": [DatabricksJobRunLink.name],
        "export_detections": ["Detection files of the feed"],
    }
    (link,) = _task(dag, "export_detections").operator_extra_links
    assert link.get_link(SimpleNamespace(op_args=("bank-2026",)), ti_key=None) == "transaction-patterns/files?feed=bank-2026"
    for unknown in ((), ("",), ("{{ params.feed }}",), (dag.get_task("land_chunks").output,)):
        for kept, query in ((None, ""), ("chosen", "transaction-patterns/files?feed=chosen")):
            ti = SimpleNamespace(xcom_pull=lambda key, kept=kept: {due_feed.FEED: kept}[key])
            assert link.get_link(SimpleNamespace(op_args=unknown), ti_key=ti) == query


def test_somebody_is_told_of_what_fails_and_what_is_late(each: DAG, dag: DAG) -> None:
    for task_id in each.task_ids:
        assert _as_list(_task(each, task_id).on_failure_callback)[-1] is alerts.alert_failure, "after all that must not wait"
    assert _as_list(_task(dag, "export_detections").on_success_callback) == [alerts.alert_lateness]


def test_templates_refer_to_what_exists(dag: DAG) -> None:
    gives = {"batch_id", "first_chunk", "last_chunk", "last_blob"}
    for task in dag.tasks:
        for field in task.template_fields:
            for value in _leaves(getattr(task, field)):
                if isinstance(value, str):
                    assert set(re.findall(r"params\.(\w+)", value)) <= set(dag.params), (task.task_id, field)
                    pulled = re.findall(r"xcom_pull\(task_ids='land_chunks'\)\['(\w+)'\]", value)
                    assert set(pulled) <= gives, (task.task_id, field)
                elif isinstance(value, XComArg):
                    ((upstream, key),) = ((source.task_id, name) for source, name in value.iter_references())
                    assert (upstream, key) == ("land_chunks", due_feed.FEED), (task.task_id, field)


def test_no_reference_hides_in_a_field_that_is_not_rendered(each: DAG) -> None:
    for task in each.tasks:
        for name, value in vars(task).items():
            if name not in task.template_fields and not name.startswith("_"):
                assert not [leaf for leaf in _leaves(value) if isinstance(leaf, XComArg)], (task.task_id, name)


def test_the_commit_is_the_file_in_include_sql(dag: DAG) -> None:
    """Parsing has put the file's text in the place of its name. It is rendered before it runs, which must not change it."""
    source = _task(dag, "commit_batch").sql
    assert source == (SQL_FOLDER / "commit_batch.sql").read_text()
    assert dag.get_template_env().from_string(source).render() == source.rstrip("\n")


def _task(dag: DAG, task_id: str) -> Any:
    """The operator, whose own attributes are not those of all."""
    return dag.get_task(task_id)


def _as_list(callbacks: Any) -> list[Any]:
    return list(callbacks) if isinstance(callbacks, list | tuple) else [callbacks]


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, list | tuple | set):
        for item in value:
            yield from _leaves(item)
    else:
        yield value
