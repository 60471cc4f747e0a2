"""Imports once, in the scheduler, what every task would import: the LocalExecutor forks workers and tasks from it.

Airflow reads a module of this name from Python's path when it starts; only the scheduler of the stack has this folder there.
Libraries only: each task reads ``dags/`` and ``plugins/`` itself, so that a change there needs no restart.
"""

from importlib import import_module

_LIBRARIES = (
    "airflow.providers.common.sql.operators.sql",
    "airflow.providers.databricks.operators.databricks",
    "airflow.providers.google.suite.hooks.drive",
    "airflow.providers.microsoft.azure.sensors.wasb",
    "airflow.providers.postgres.hooks.postgres",
    "asgiref.sync",
    "psycopg.types.json",
)

__all__: list[str] = []  # nothing here overrides what Airflow has

for library in _LIBRARIES:
    import_module(library)
