#!/usr/bin/env bash
# make compose-test: brings docker-compose.yaml up and runs the tests of this folder on it. Where no Docker engine is reached,
# ../shared/compose/engine.sh starts one, with stand-ins for the official images, until the end; where there is neither, it is skipped.
set -euo pipefail
cd "$(dirname "$0")/../.."
lab=../shared/compose/engine.sh
export COMPOSE_PULL=missing

engine_answers() { docker compose version >/dev/null 2>&1 && docker info >/dev/null 2>&1; }

if ! engine_answers; then
    if [ ! -e "$lab" ]; then
        echo "compose-test: skipped, because no Docker engine with Compose v2 answers here, and $lab is not there"
        exit 0
    fi
    eval "$(bash "$lab" env)"
    COMPOSE_PULL=never # its images are in no registry
    if ! engine_answers; then
        trap 'bash "$lab" down' EXIT
        trap 'exit 143' TERM HUP
        bash "$lab" up
    fi
fi
.venv/bin/python -m pytest tests/compose "$@"
