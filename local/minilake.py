"""minilake, the Databricks workspace, as a service of the stack."""

from __future__ import annotations

import shutil
import sys

import httpx

from local.config import CHECKOUT, StackConfig
from local.programs import Program
from local.services import Service
from local.spark import job_remote


def _prepare(config: StackConfig) -> None:
    data = config.directory / "minilake"
    shutil.rmtree(data / "workspace", ignore_errors=True)  # the job is deployed when it starts
    (data / "extensions").mkdir(parents=True, exist_ok=True)
    config.addresses.mirror_dir.mkdir(exist_ok=True)


def _programs(config: StackConfig) -> list[Program]:
    data = config.directory / "minilake"
    environment = {
        "PYTHONPATH": str(CHECKOUT / "plugins"),  # blob names
        "MINILAKE_DATA_DIR": str(data),
        "MINILAKE_JOB_EXECUTOR": "subprocess",
        "MINILAKE_SERVICES": "identity,workspace,clusters,jobs,secrets,catchall",
        "MINILAKE_NOTEBOOK": "0",
        # Empty, and set so that DuckDB does not try to download an extension at every start.
        "MINILAKE_DUCKDB_EXTENSION_DIR": str(data / "extensions"),
        "SPARK_REMOTE": job_remote(config),
    }
    command = [sys.executable, "-m", "local.databricks", str(config.directory)]
    return [Program("minilake", command, CHECKOUT, environment)]


def _check(config: StackConfig) -> None:
    httpx.get(f"{config.addresses.databricks_url}/_minilake/health", timeout=5, trust_env=False).raise_for_status()


SERVICE = Service("minilake", ("minilake",), _programs, _check, _prepare)
