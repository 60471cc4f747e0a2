# The two images of docker-compose.yaml, both on the official Airflow image and as its user `airflow`:
#   airflow    Airflow with the pipeline; what runs on a server, too
#   services   what takes the cloud's place on one machine: Spark, the Databricks emulator, Drive, and what prepares them
# What changes most comes last: a change of code rebuilds nothing but a few small layers. No secret goes into either: they come from
# .env when a container starts, and .dockerignore lets nothing into the build but what is named there.

FROM apache/airflow:3.3.2-python3.11 AS packages
# All of them are pinned: nothing is left to resolve, and nothing is taken whose hash is not the one in the file.
COPY --chown=airflow:0 requirements.txt /tmp/
RUN pip install --no-cache-dir --no-compile --no-deps --require-hashes --requirement /tmp/requirements.txt
# Bytecode of what Airflow's components and tasks import, and of no more: else each new container would compile it for itself.
COPY --chown=airflow:0 local/scheduler_settings /tmp/scheduler_settings
RUN AIRFLOW_HOME=/tmp/airflow PYTHONPATH=/tmp/scheduler_settings python -c 'import airflow.api_fastapi.app, airflow_local_settings, \
    airflow.cli.commands.api_server_command, airflow.cli.commands.db_command, airflow.executors.local_executor, \
    airflow.jobs.dag_processor_job_runner, airflow.jobs.scheduler_job_runner, airflow.jobs.triggerer_job_runner, \
    airflow.sdk.execution_time.task_runner' \
    && rm -rf /tmp/airflow
# Where volumes are mounted; a new volume gets its owner from here.
RUN umask 077 && mkdir --parents /opt/airflow/.stack/drive /opt/airflow/.stack/mirror

FROM packages AS airflow
COPY --chown=airflow:0 include /opt/airflow/include
COPY --chown=airflow:0 local /opt/airflow/local
COPY --chown=airflow:0 deployment /opt/airflow/deployment
COPY --chown=airflow:0 spark_jobs /opt/airflow/spark_jobs
COPY --chown=airflow:0 plugins /opt/airflow/plugins
COPY --chown=airflow:0 dags /opt/airflow/dags
RUN python -m compileall -q local deployment plugins dags

FROM packages AS services
USER root
# Java 17 on Debian 12, Java 21 on Debian 13.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends default-jre-headless libpostgresql-jdbc-java \
    && rm -rf /var/lib/apt/lists/*
USER airflow
# Of what the stack on a developer's machine has besides, containers need the emulator only, with what it needs itself, and what
# puts the job there.
COPY --chown=airflow:0 requirements-local.txt /tmp/
RUN sed -n '/^\(databricks-sdk\|minilake\|docker\|duckdb\|pytz\)==/,/[^\\]$/p' /tmp/requirements-local.txt > /tmp/requirements-services.txt \
    && pip install --no-cache-dir --no-compile --no-deps --require-hashes --requirement /tmp/requirements-services.txt
COPY --chown=airflow:0 include /opt/airflow/include
COPY --chown=airflow:0 plugins /opt/airflow/plugins
COPY --chown=airflow:0 local /opt/airflow/local
COPY --chown=airflow:0 deployment /opt/airflow/deployment
COPY --chown=airflow:0 spark_jobs /opt/airflow/spark_jobs
RUN python -m compileall -q local plugins deployment spark_jobs && python -c 'import local.databricks, local.spark_warmup'
ENTRYPOINT ["/usr/bin/dumb-init", "--", "python", "-m", "local.container"]
