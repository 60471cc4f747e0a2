"""How ``audit_feed`` is wired, and that its page names what exists."""

from __future__ import annotations

import re
from typing import Any

import pytest
from airflow.exceptions import ParamValidationError
from airflow.providers.databricks.operators.databricks import DatabricksJobRunLink
from airflow.sdk import DAG, Asset
from airflow.serialization.serialized_objects import DagSerialization

from feeds import detection, errors


def test_the_checks_stand_beside_each_other(audit: DAG) -> None:
    assert {task.task_id: sorted(task.downstream_task_ids) for task in audit.tasks} == {
        "open_batch": ["check_blobs", "check_source", "compare_state", "detect_patterns"],
        "check_source": [],
        "check_blobs": [],
        "detect_patterns": ["compare_state"],
        "compare_state": [],
    }
    assert {task.trigger_rule.value for task in audit.tasks} == {"all_success"}


def test_it_runs_when_it_is_triggered_and_one_at_a_time(audit: DAG) -> None:
    assert audit.schedule is None
    assert audit.max_active_runs == 1


def test_a_comparison_without_staging_makes_the_job_run_again(audit: DAG) -> None:
    task: Any = audit.get_task("compare_state")
    assert detection.record_lost_staging in task.on_failure_callback
    assert detection.record_lost_staging in task.on_retry_callback


def test_the_page_tells_an_operator_and_names_what_exists(audit: DAG) -> None:
    page = audit.doc_md or ""
    assert page.lstrip().startswith("# Audit a feed\n\n")
    for section in ("**To audit**", "**What is normal.**", "**When a task fails**", "Worry when\n"):
        assert section in page
    pictured = {name for line in re.findall(r"^\w+(?: > \w+)+$", page, re.MULTILINE) for name in line.split(" > ")}
    assert pictured == set(audit.task_ids)
    assert set(re.findall(r"`(\w+)`", page)) <= set(audit.task_ids)
    assert all(issubclass(getattr(errors, name), errors.FeedError) for name in re.findall(r"\*(\w+Error)\*", page))
    assert f"*{DatabricksJobRunLink.name}*" in page


def test_the_asset_graph_shows_what_is_compared(audit: DAG) -> None:
    assert {task.task_id: [asset.name for asset in task.inlets if isinstance(asset, Asset)] for task in audit.tasks} == {
        "open_batch": [],
        "check_source": ["Transactions on Drive", "Landed chunks"],
        "check_blobs": ["Landed chunks", "Detection files"],
        "detect_patterns": ["Landed chunks"],
        "compare_state": ["Landed chunks", "State and detections"],
    }
    assert [asset.name for task in audit.tasks for asset in task.outlets] == ["Audited state"]


@pytest.mark.parametrize("conf", [{}, {"feed": None}, {"feed": ""}, {"feed": "A b"}], ids=str)
def test_a_feed_must_be_named(audit: DAG, conf: dict[str, object]) -> None:
    params = DagSerialization.from_dict(DagSerialization.to_dict(audit)).params
    with pytest.raises(ParamValidationError, match="feed"):
        params.deep_merge(conf).validate()
