"""A Spark Connect server that stays warm: the cluster on which the Databricks jobs of this machine run."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from local.config import CHECKOUT, StackConfig, StackError
from local.programs import Program, clean_environment
from local.services import Service

_WARMUP_SECONDS = 300  # half a minute on two idle cores
_JOB_SESSION = "7b1f5a52-4d0e-4c57-9c0e-1f6f3a1d2e90"
# So that the whole process takes about 2 GB: classes, compiled code and threads take their part besides.
_HEAP = "1300m"
_SERVER = "org.apache.spark.sql.connect.service.SparkConnectServer"
_CONF = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.log.level": "WARN",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.adaptive.enabled": "true",
    "spark.sql.shuffle.partitions": "4",
    "spark.sql.catalogImplementation": "in-memory",
    # Jobs share one session, see job_remote: it must outlive a quiet hour, and keep the code that it has compiled.
    "spark.connect.session.manager.defaultSessionTimeout": "-1",
    "spark.sql.codegen.cache.maxEntries": "2000",
    # A small batch takes dozens of broadcasts, sorts and hash tables of a few rows each: with blocks of 4 MB and pages of many MB
    # Java is busy clearing memory and collecting it again.
    "spark.broadcast.blockSize": "128k",
    "spark.buffer.pageSize": "1m",
    # Of more than 32 paths Spark would look for each in a task of its own, twice a batch: it saves time on cloud storage, and
    # costs some on this machine's disk.
    "spark.sql.sources.parallelPartitionDiscovery.threshold": "100000",
    # Spark's generated methods are long, and Java would leave the longest uncompiled: scans among them.
    "spark.driver.extraJavaOptions": "-XX:+UseParallelGC -XX:-DontCompileHugeMethods",
}


def job_remote(config: StackConfig) -> str:
    """Give the address under which jobs reach Spark: all in one session.

    Each session has a class loader of its own, so in a new one Spark compiles all generated code again: some seconds a job.
    Nobody may stop this session, because its id cannot be used again.
    """
    return f"{config.addresses.spark_remote}/;user_id=job;session_id={_JOB_SESSION}"


def jdbc_driver() -> Path:
    """Find PostgreSQL's JDBC driver: ``POSTGRESQL_JDBC_JAR``, or where Debian's package puts it.

    Raises
    ------
    StackError
        It is not there.
    """
    jar = Path(os.environ.get("POSTGRESQL_JDBC_JAR") or "/usr/share/java/postgresql.jar")
    if not jar.exists():
        raise StackError(
            f"PostgreSQL's JDBC driver is not at {jar}; run: apt-get install libpostgresql-jdbc-java "
            "(or name the jar in POSTGRESQL_JDBC_JAR)"
        )
    return jar


def _home() -> Path:
    found = find_spec("pyspark")
    if found is None or found.origin is None:
        raise StackError("pyspark is not installed; run: make setup")
    return Path(found.origin).parent


def _prepare(config: StackConfig) -> None:
    jdbc_driver()
    (config.directory / "spark").mkdir(exist_ok=True)


def _programs(config: StackConfig) -> list[Program]:
    work = config.directory / "spark"
    conf = _CONF | {
        "spark.connect.grpc.binding.address": config.listen,
        "spark.connect.grpc.binding.port": str(config.ports["spark"]),
        "spark.local.dir": str(work / "tmp"),
        "spark.sql.warehouse.dir": str(work / "warehouse"),
    }
    command = [
        str(_home() / "bin" / "spark-submit"), "--class", _SERVER, "--name", "transaction-patterns",
        "--master", "local[2]", "--driver-memory", _HEAP, "--jars", str(jdbc_driver()),
        *(part for name, value in conf.items() for part in ("--conf", f"{name}={value}")),
        "spark-internal",
    ]  # fmt: skip
    environment = {"SPARK_HOME": str(_home()), "SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable}
    return [Program("spark", command, work, environment)]


def _check(config: StackConfig) -> None:
    socket.create_connection((config.host("spark"), config.ports["spark"]), timeout=2).close()


def _provision(config: StackConfig) -> None:
    """Run the kinds of queries that a job runs, so that the first job finds the server's classes loaded."""
    environment = clean_environment() | {"SPARK_REMOTE": job_remote(config)}
    command = [sys.executable, "-m", "local.spark_warmup", str(config.directory / "spark")]
    try:
        subprocess.run(
            command, env=environment, cwd=CHECKOUT, check=True, timeout=_WARMUP_SECONDS, capture_output=True, text=True
        )
    except subprocess.CalledProcessError as error:
        raise StackError(f"Spark does not answer a query: {error.stderr.strip()[-2000:]}") from error
    except subprocess.TimeoutExpired as error:
        raise StackError(f"Spark does not answer a query within {_WARMUP_SECONDS} s; its log is in logs/spark.log") from error


SERVICE = Service("spark", ("spark",), _programs, _check, _prepare, _provision, seconds=120)
