"""Imports once, in the scheduler, what every task would import: the LocalExecutor forks workers and tasks from it.

Airflow reads a module of this name from Python's path when it starts; only the scheduler of the stack has this folder there.
Libraries only: each task reads ``dags/`` and ``plugins/`` itself, so that a change there needs no restart.
"""

from importlib import import_module

_LIBRARIES = (
    # What starts a task and parses the DAG's file.
    "airflow.dag_processing.bundles.local",
    "airflow.dag_processing.dagbag",
    "airflow.sdk.execution_time.cache",
    "airflow.sdk.execution_time.supervisor",
    "airflow.sdk.execution_time.timeout",
    # What the DAG's file imports.
    "airflow.providers.common.sql.operators.sql",
    "airflow.providers.databricks.operators.databricks",
    "airflow.providers.google.suite.hooks.drive",
    "airflow.providers.microsoft.azure.sensors.wasb",
    "airflow.providers.postgres.hooks.postgres",
    "airflow.providers.standard.decorators.python",
    "airflow.sdk.definitions.decorators",
    "airflow.sdk.definitions.retry_policy",
    "asgiref.sync",
    "jinja2.ext",
    "psycopg.types.json",
    # What a task imports while it runs; the assets of all providers, as soon as one statement of SQL is run.
    "airflow.providers.common.io.assets.file",
    "airflow.providers.databricks.assets.databricks",
    "airflow.providers.google.assets.bigquery",
    "airflow.providers.google.assets.gcs",
    "airflow.providers.postgres.assets.postgres",
    "airflow.sdk.definitions.asset.metadata",
    "airflow.sdk.lineage",
    "azure.core.rest._requests_basic",
)

__all__: list[str] = []  # nothing here overrides what Airflow has

for library in _LIBRARIES:
    import_module(library)
