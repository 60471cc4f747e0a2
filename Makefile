# `make` or `make help` explains the targets. Every target sets up what it needs first; a second run sets up nothing again.

SHELL := /bin/bash
PYTHON := .venv/bin/python
STAMP_PYTHON := .venv/requirements.stamp
STAMP_NODE := node_modules/packages.stamp
MAKEFLAGS += --no-print-directory

# A caller's own Airflow, Spark or Python settings must not change what runs here.
unexport $(filter AIRFLOW_HOME AIRFLOW__% SPARK_% PYSPARK_% PYTHON% VIRTUAL_ENV,$(.VARIABLES))

.DEFAULT_GOAL := help
.PHONY: help setup demo run chaos bench outputs pictures up down status test compose-test env lint security lock docs deploy-workspace deploy-cluster deploy-job connections system

help: ## Show this help
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name text; do printf '  make %-16s %s\n' "$$name" "$$text"; done

setup: system $(STAMP_NODE) ## Install what is missing: .venv, node_modules, and with apt (as root) Java and the JDBC driver

demo: setup ## Generate a feed, run the pipeline on it until it is exhausted, show the result; files in out/demo/: [ROWS=594643] [SEED=1] [INTERVAL=1]
	@$(PYTHON) -m local.demo $${ROWS:+--rows "$$ROWS"} $${SEED:+--seed "$$SEED"} $${INTERVAL:+--interval "$$INTERVAL"}

run: setup ## Run given files: TRANSACTIONS=t.csv IMPORTANCE=i.csv OUT=dir [SETTINGS=s.json] [INTERVAL=0] [FIRST=1] [LAST=9]
	@$(PYTHON) -m local.run \
		$${TRANSACTIONS:+--transactions "$$TRANSACTIONS"} $${IMPORTANCE:+--importance "$$IMPORTANCE"} $${OUT:+--out "$$OUT"} \
		$${SETTINGS:+--settings "$$SETTINGS"} $${INTERVAL:+--interval "$$INTERVAL"} \
		$${FIRST:+--first "$$FIRST"} $${LAST:+--last "$$LAST"}

chaos: setup ## Kill services, tasks and jobs at random moments, and compare with an undisturbed run: [SEED=1] [ROUNDS=3] [KINDS="job spark"] [TABLE=t.md]
	@$(PYTHON) -m local.chaos $${SEED:+--seed "$$SEED"} $${ROUNDS:+--rounds "$$ROUNDS"} $${KINDS:+--kinds $$KINDS} $${TABLE:+--table "$$TABLE"}

bench: setup ## Measure speed, and write docs/benchmarks.md with plots: [ONLY=1,3,6] [REPEATS=3] [SCALE=100] [IDLE=10]; row 8 only when named
	@$(PYTHON) -m benchmarks $${ONLY:+--only "$$ONLY"} $${REPEATS:+--repeats "$$REPEATS"} \
		$${SCALE:+--scale "$$SCALE"} $${IDLE:+--idle-minutes "$$IDLE"}

outputs: setup ## Write all output files of a feed to one zip: FEED=name OUT=feed.zip
	@$(PYTHON) -m local.output_zip $${FEED:+--feed "$$FEED"} $${OUT:+--out "$$OUT"}

pictures: setup ## Take the pictures of the README from a real run: docs/images/page-*.png and walkthrough.webp
	@local/setup.sh browser && $(PYTHON) -m tests.browser.pictures

up: setup ## Start the stack and leave it running; prints the address of Airflow's UI, the login, and what to click
	@$(PYTHON) -m local up

down: ## Stop the stack; its data stay in .stack/
	@if [ -x $(PYTHON) ]; then $(PYTHON) -m local down; fi

status: ## Show every program of the stack; fails when the stack is not up
	@if [ -x $(PYTHON) ]; then $(PYTHON) -m local status; else echo "the stack is not up"; exit 1; fi

test: setup ## Run all tests, layer by layer; the first layer that fails stops
	@for layer in unit dags integration e2e browser; do \
		echo "== tests/$$layer"; \
		if [ $$layer = browser ] && ! local/setup.sh browser; then echo "skipped: there is no Chromium, and it cannot be installed"; continue; fi; \
		$(PYTHON) -m pytest tests/$$layer || exit 1; \
	done

compose-test: setup ## Bring docker-compose.yaml up and run a feed in it; skipped where no Docker engine is reached: [COMPOSE_KILL="spark drive"]
	@tests/compose/run.sh

env: ## Write .env for Docker Compose, with generated secrets; one that is there keeps what it has
	@python3 -m local.dotenv

lint: setup ## Check style (ruff) and types (mypy)
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m mypy

security: setup ## Check for insecure code, licences that do not fit, and known vulnerabilities (where their registries can be asked)
	@$(PYTHON) -m local.security

docs: setup ## Write DAGS.md from the docstrings of the DAGs
	@$(PYTHON) -m local.dags_page

deploy-workspace: setup ## Set up a Databricks workspace: AZURE=out/azure.json (outputs of templates/azure); see docs/deploy-azure.md
	@$(PYTHON) -m deployment workspace --azure "$${AZURE:?}"

deploy-cluster: setup ## Make the cluster of templates/databricks/cluster.json, and print its id: AZURE=out/azure.json
	@$(PYTHON) -m deployment cluster --azure "$${AZURE:?}"

deploy-job: setup ## Deploy spark_jobs/ of this version to the workspace DATABRICKS_HOST: [FOLDER=/Workspace/...]
	@$(PYTHON) -m deployment job $${FOLDER:+--folder "$$FOLDER"}

connections: setup ## Write Airflow's connections: AZURE=out/azure.json COMPUTE=existing-cluster|job-cluster|serverless OUT=dir [FOLDER=/Workspace/...]
	@$(PYTHON) -m deployment connections --azure "$${AZURE:?}" --compute "$${COMPUTE:?}" --out "$${OUT:?}" $${FOLDER:+--folder "$$FOLDER"}

lock: $(STAMP_PYTHON) ## Compile the requirements again, for every supported Python; pins stay where they still fit
	@$(LOCK) requirements.in --output-file requirements.txt >/dev/null
	@$(LOCK) requirements-local.in --constraint requirements.txt --output-file requirements-local.txt >/dev/null

LOCK = .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url

system:
	@local/setup.sh system

$(STAMP_PYTHON): requirements-local.txt | system
	@local/setup.sh python
	@touch $@

$(STAMP_NODE): package-lock.json $(STAMP_PYTHON)
	@local/setup.sh node
	@touch $@
