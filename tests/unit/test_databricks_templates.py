"""The templates for Databricks: fields and values that its API has, no secret in them, and what Airflow submits with each."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from databricks.sdk.service import compute, jobs

from deployment.azure import TEMPLATES, abfss, fill
from deployment.secrets import KEYS, SCOPE, STORAGE_KEYS
from feeds.job_code import version_folder
from feeds.settings import RULES
from feeds.submission import run_of

VALUES = {"AIRFLOW_CLIENT_ID": "11111111-aaaa", "CLUSTER_ID": "0101-1", "STORAGE_ACCOUNT": "tpstore", "TENANT_ID": "2222"}
NAMES = sorted(path.stem for path in TEMPLATES.glob("*.json"))
EXTRAS = ["existing-cluster", "job-cluster", "serverless"]
BATCH: dict[str, Any] = {
    "feed": "bank", "batch_id": 3, "purpose": "apply", "first_chunk": 1, "last_chunk": 4, "generation": 1,
    "chunk_size": 10_000,
    "columns": ["customer"], "weights_ready": True, "opened_at": datetime(2026, 11, 26, tzinfo=UTC), **dict.fromkeys(RULES, 1),
}  # fmt: skip


def known(kind: Any, given: Any) -> None:
    """Everything that is given is a field of the API, and of the type that it wants: the SDK drops or refuses what is not."""
    assert json.loads(json.dumps(kind.from_dict(given).as_dict())) == given


def clusters() -> list[dict[str, Any]]:
    return [fill("cluster", VALUES), fill("job-cluster", VALUES)["compute"]["new_cluster"]]


def test_these_are_all() -> None:
    assert sorted([*EXTRAS, "cluster", "service-principal-storage"]) == NAMES


@pytest.mark.parametrize("cluster", clusters(), ids=["cluster", "job-cluster"])
def test_a_cluster_is_one_of_databricks(cluster: dict[str, Any]) -> None:
    known(compute.ClusterSpec, cluster)
    assert cluster["spark_version"] == "18.x-scala2.13", "the runtime that the tests' PySpark is"
    assert cluster["autoscale"]["min_workers"] < cluster["autoscale"]["max_workers"]
    assert cluster["azure_attributes"]["availability"] == "SPOT_WITH_FALLBACK_AZURE"
    assert cluster["azure_attributes"]["first_on_demand"] >= 1, "the driver is not taken away"
    assert cluster["cluster_log_conf"]["volumes"]["destination"].startswith("/Volumes/")


@pytest.mark.parametrize("cluster", clusters(), ids=["cluster", "job-cluster"])
def test_a_cluster_names_secrets_and_has_none(cluster: dict[str, Any]) -> None:
    assert cluster["spark_env_vars"] == {name: f"{{{{secrets/{SCOPE}/{key}}}}}" for name, key in KEYS.items()}
    assert not any("account.key" in name for name in cluster["spark_conf"])


def test_both_clusters_are_alike() -> None:
    stays, of_a_job = clusters()
    differ = {"cluster_name", "autotermination_minutes", "autoscale", "azure_attributes"}
    assert {k: v for k, v in stays.items() if k not in differ} == {k: v for k, v in of_a_job.items() if k not in differ}


@pytest.mark.parametrize("name", NAMES)
def test_no_template_holds_a_secret(name: str) -> None:
    text = (TEMPLATES / f"{name}.json").read_text()
    for key, value in json.loads(text).items():
        if "secret" in key:
            assert str(value).startswith("{{secrets/")
    assert "account.key" not in text


def test_a_service_principal_reads_by_oauth_with_its_secret_in_the_scope() -> None:
    """The options of Hadoop's driver for one account: what it reads is set for no other."""
    options = fill("service-principal-storage", VALUES)
    host = abfss("c", "tpstore").partition("@")[2]
    assert {name.removesuffix(f".{host}") for name in options} == {
        "fs.azure.account.auth.type",
        "fs.azure.account.oauth.provider.type",
        "fs.azure.account.oauth2.client.id",
        "fs.azure.account.oauth2.client.secret",
        "fs.azure.account.oauth2.client.endpoint",
    }
    assert all(name.endswith(f".{host}") for name in options)
    named = [value for value in options.values() if value.startswith("{{")]
    assert named == [f"{{{{secrets/{SCOPE}/{key}}}}}" for key in STORAGE_KEYS.values()]


@pytest.mark.parametrize("name", EXTRAS)
def test_what_airflow_submits(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With each kind of compute: what the API knows, on exactly one kind, and the code of this version."""
    extra = {"job_folder": "/Workspace/tp", **fill(name, VALUES)}
    monkeypatch.setenv("AIRFLOW_CONN_DATABRICKS", json.dumps({"conn_type": "databricks", "host": "h", "extra": extra}))
    blob = {"conn_type": "wasb", "extra": {"storage_url": abfss("chunks", "tpstore"), "container": "chunks"}}
    monkeypatch.setenv("AIRFLOW_CONN_BLOB", json.dumps(blob))
    run = run_of(BATCH)
    task = run["tasks"][0]
    known(jobs.SubmitTask, task)
    assert set(run) - {"environments"} == {"run_name", "idempotency_token", "tasks"}
    assert len({"new_cluster", "existing_cluster_id", "environment_key"} & set(task)) == 1
    assert task["spark_python_task"]["python_file"] == f"{version_folder('/Workspace/tp')}/detect_patterns.py"
    arguments = task["spark_python_task"]["parameters"]
    assert arguments[arguments.index("--storage_url") + 1] == "abfss://chunks@tpstore.dfs.core.windows.net"
    for environment in run.get("environments", []):
        known(jobs.JobEnvironment, environment)
    serverless = name == "serverless"
    assert ([e["environment_key"] for e in run.get("environments", [])] == [task.get("environment_key")]) == serverless
    assert ("--ledger_connection" in arguments) == serverless, "serverless has no secrets in its environment"


def test_a_value_that_is_missing_is_named() -> None:
    with pytest.raises(ValueError, match=r"templates/databricks/existing-cluster\.json needs CLUSTER_ID"):
        fill("existing-cluster", {})
