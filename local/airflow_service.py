"""Airflow as a service of the stack: api-server, scheduler, dag-processor and triggerer as programs of their own.

``airflow standalone`` would start them with one command, and leave most of them behind when it ends.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import httpx
import psycopg

from local.config import CHECKOUT, StackConfig, StackError, write_private
from local.programs import Program, clean_environment
from local.services import Service

DAG_ID = "transaction_patterns"
_EXECUTABLE = str(Path(sys.prefix) / "bin" / "airflow")
_PROGRAMS = {
    "airflow-api-server": ("api-server",),
    # Their log servers would listen on all interfaces; the api-server reads the log files itself.
    "airflow-scheduler": ("scheduler", "--skip-serve-logs"),
    "airflow-dag-processor": ("dag-processor",),
    "airflow-triggerer": ("triggerer", "--skip-serve-logs"),
}
_COMPONENTS = ("metadatabase", "scheduler", "triggerer", "dag_processor")
_TASK_MODULES = (
    "transaction_patterns",
    "feeds.blobs",
    "feeds.drive",
    "feeds.landing",
    "feeds.export",
    "feeds.params",
    "feeds.schema",
)
_DAG_SECONDS = 60
_TIMEOUT = httpx.Timeout(30)


def airflow_environment(config: StackConfig) -> dict[str, str]:
    """Give the configuration of all of Airflow's components, in the form of environment variables."""
    addresses = config.addresses
    home = config.directory / "airflow"
    database = f"127.0.0.1:{config.ports['postgres']}/airflow"
    options = {
        "core": {
            "executor": "LocalExecutor",
            "parallelism": "8",
            "dags_folder": str(CHECKOUT / "dags"),
            "plugins_folder": str(CHECKOUT / "plugins"),
            "load_examples": "False",
            "fernet_key": config.passwords["airflow_fernet"],
            "hostname_callable": "socket.gethostname",  # the default asks DNS
            "execution_api_server_url": f"{addresses.airflow_url}/execution/",
            "simple_auth_manager_users": f"{addresses.airflow_user}:admin",
            "simple_auth_manager_passwords_file": str(_password_file(config)),
        },
        "database": {
            "sql_alchemy_conn": f"postgresql+psycopg2://airflow:{config.passwords['airflow_db']}@{database}",
        },
        "api": {
            "host": "127.0.0.1",
            "port": str(config.ports["airflow"]),
            "base_url": addresses.airflow_url,
            "secret_key": config.passwords["airflow_api"],
            "workers": "1",
        },
        "api_auth": {"jwt_secret": config.passwords["airflow_jwt"]},
        "scheduler": {
            "scheduler_idle_sleep_time": "0.1",  # the default of 1 s is most of a short task's duration
            # How soon what a kill has left is noticed: a task whose worker is gone, not after five minutes; the tasks of a
            # scheduler that is gone, not after up to five minutes.
            "task_instance_heartbeat_timeout": "30",
            "scheduler_health_check_threshold": "20",
            "orphaned_tasks_check_interval": "10",
        },
        "triggerer": {"triggerer_health_check_threshold": "20"},
        # The supervisor of a task may miss its end, and looks again after this long, in seconds. Only then is a task that was
        # skipped or has failed reported: by default often five seconds late.
        "workers": {"min_heartbeat_interval": "1"},
        "dag_processor": {"refresh_interval": "30", "min_file_process_interval": "30", "parsing_processes": "1"},
        "logging": {"colored_console_log": "False"},
        "secrets": {
            "backend": "airflow.secrets.local_filesystem.LocalFilesystemBackend",
            "backend_kwargs": json.dumps({"connections_file_path": str(addresses.connections_file)}),
        },
    }
    variables = {
        f"AIRFLOW__{section.upper()}__{option.upper()}": value
        for section, values in options.items()
        for option, value in values.items()
    }
    return {"AIRFLOW_HOME": str(home)} | variables


def airflow_client(config: StackConfig) -> httpx.Client:
    """Give a client of Airflow's REST API (``/api/v2``), logged in.

    Raises
    ------
    httpx.HTTPError
        Airflow does not answer, or refuses the login.
    """
    addresses = config.addresses
    login = {"username": addresses.airflow_user, "password": addresses.airflow_password}
    answer = httpx.post(f"{addresses.airflow_url}/auth/token", json=login, timeout=_TIMEOUT, trust_env=False)
    answer.raise_for_status()
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    return httpx.Client(base_url=f"{addresses.airflow_url}/api/v2", headers=headers, timeout=_TIMEOUT, trust_env=False)


def wait_for_dag(client: httpx.Client, dag_id: str = DAG_ID) -> None:
    """Wait until Airflow has loaded a DAG.

    Raises
    ------
    StackError
        It cannot be imported, or is not there after a minute.
    """
    deadline = time.monotonic() + _DAG_SECONDS
    while (answer := client.get(f"/dags/{dag_id}")).status_code == httpx.codes.NOT_FOUND:
        errors = client.get("/importErrors").raise_for_status().json()["import_errors"]
        if errors:
            raise StackError("\n".join(f"{e['filename']} cannot be imported:\n{e['stack_trace']}" for e in errors))
        if time.monotonic() > deadline:
            raise StackError(f"Airflow does not load the DAG {dag_id} within {_DAG_SECONDS} s; see the dag-processor's log")
        time.sleep(0.5)
    answer.raise_for_status()


def unpause_dag(client: httpx.Client, dag_id: str = DAG_ID) -> None:
    """Wait until a DAG is loaded, and let its runs happen; raises what :func:`wait_for_dag` raises."""
    wait_for_dag(client, dag_id)
    client.patch(f"/dags/{dag_id}", json={"is_paused": False}).raise_for_status()


def _password_file(config: StackConfig) -> Path:
    return config.directory / "airflow" / "passwords.json"


def _prepare(config: StackConfig) -> None:
    home = config.directory / "airflow"
    home.mkdir(exist_ok=True)
    write_private(_password_file(config), json.dumps({config.addresses.airflow_user: config.passwords["airflow"]}) + "\n")
    _migrate(config, home / "migrated")
    _compile(home / "compiled")


def _migrate(config: StackConfig, stamp: Path) -> None:
    """Create or upgrade Airflow's tables; takes some seconds, so only for a new database or version."""
    if stamp.exists() and stamp.read_text() == version("apache-airflow-core") and _has_tables(config):
        return
    environment = clean_environment() | airflow_environment(config)
    done = subprocess.run(
        [_EXECUTABLE, "db", "migrate"], env=environment, cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise StackError(f"airflow db migrate failed: {(done.stderr or done.stdout).strip()[-2000:]}")
    stamp.write_text(version("apache-airflow-core"))


def _compile(stamp: Path) -> None:
    """Import once what the tasks import: Python compiles it then, and not while the first feed is waiting."""
    if stamp.exists() and stamp.read_text() == sys.prefix:
        return
    environment = clean_environment() | {
        "AIRFLOW_HOME": str(stamp.parent),
        "PYTHONPATH": f"{CHECKOUT / 'plugins'}:{CHECKOUT / 'dags'}",
    }
    subprocess.run([sys.executable, "-c", f"import {', '.join(_TASK_MODULES)}"], env=environment, cwd=CHECKOUT, check=True)
    stamp.write_text(sys.prefix)


def _has_tables(config: StackConfig) -> bool:
    with psycopg.connect(
        host="127.0.0.1",
        port=config.ports["postgres"],
        user="airflow",
        password=config.passwords["airflow_db"],
        dbname="airflow",
        connect_timeout=5,
    ) as connection:
        return connection.execute("select to_regclass('dag_run') is not null").fetchone() == (True,)


def _programs(config: StackConfig) -> list[Program]:
    environment = airflow_environment(config)
    after = {"airflow-scheduler": (sys.executable, "-m", "local.orphans", str(config.directory))}
    # What the scheduler has imported, its workers and their tasks have as well.
    more = {"airflow-scheduler": {"PYTHONPATH": str(CHECKOUT / "local" / "scheduler_settings")}}
    return [
        Program(name, (*after.get(name, ()), _EXECUTABLE, *command), CHECKOUT, environment | more.get(name, {}))
        for name, command in _PROGRAMS.items()
    ]


def _check(config: StackConfig) -> None:
    answer = httpx.get(f"{config.addresses.airflow_url}/api/v2/monitor/health", timeout=_TIMEOUT, trust_env=False)
    answer.raise_for_status()
    health = answer.json()
    ill = [name for name in _COMPONENTS if health[name]["status"] != "healthy"]
    if ill:
        raise StackError(f"Airflow reports {', '.join(ill)} as not healthy")


SERVICE = Service("airflow", tuple(_PROGRAMS), _programs, _check, _prepare, needs=("postgres",), seconds=180)
