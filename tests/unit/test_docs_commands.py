"""Every command that a document shows is run by a test, as far as it can run here; what cannot, says why."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from airflow.cli.cli_parser import get_parser

from feeds.forms import audit_params, trigger_params
from tests.docs_commands import CHECKOUT, PAGES, Command, blocks, commands

MAKEFILE = (CHECKOUT / "Makefile").read_text()
COMMANDS = list(dict.fromkeys(commands()))

RUN_BY = {
    "make demo": "tests/e2e/test_documented_commands.py",
    "make run": "tests/e2e/test_documented_commands.py",
    "make up": "tests/e2e/test_documented_commands.py",
    "make status": "tests/e2e/test_documented_commands.py",
    "make down": "tests/e2e/test_documented_commands.py",
    "make help": "tests/unit/test_docs_commands.py",
    "make docs": "tests/dags/test_dags_page.py",
    "make deploy-job": "tests/integration/test_deployment.py",
    "make outputs": "tests/integration/test_outputs.py",
    "make env": "tests/unit/test_compose_file.py",
    "docker": "tests/compose/test_compose.py",
    "make connections": "tests/unit/test_deployment_connections.py",
    "psql": "tests/integration/test_roles.py",
    "airflow dags": "tests/unit/test_docs_commands.py",
    "airflow connections": "tests/unit/test_docs_commands.py",
    "python": "tests/e2e/test_airflow_history.py",
}
"""Where a test runs the command itself, or, of a target of make, the module behind it."""

NOT_HERE = {
    "make test": "runs this test",
    "make setup": "what runs the tests has run it",
    "make lint": "changes nothing that a test could look at; run before each commit",
    "make deploy-workspace": "Unity Catalog is not in minilake; what is, integration/test_deployment.py runs",
    "make deploy-cluster": "permissions are not in minilake; the rest integration/test_deployment.py runs",
    "az": "Azure cannot be reached; the arguments were tried by hand",
    "gcloud": "Google Cloud cannot be reached",
    "pip": "is what make setup does, with the same file",
    ".venv/bin/python": "is how make test starts the tests",
    **dict.fromkeys(
        ("cd", "export", "unset", "umask", "mkdir", "echo", "cat", "head", "rm", "for", "openssl", "basename"),
        "of the shell",
    ),
}


def where(command: Command) -> str | None:
    return RUN_BY.get(command.words) or NOT_HERE.get(command.words) or NOT_HERE.get(command.words.split()[0])


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: f"{command.page}: {command.text[:60]}")
def test_a_command_is_run_by_a_test_or_says_why_not(command: Command) -> None:
    assert where(command), f"{command.page} shows {command.words!r}: run it in a test, or say in NOT_HERE why that cannot be"


def test_what_is_listed_is_shown_and_run() -> None:
    shown = {command.words for command in COMMANDS} | {command.words.split()[0] for command in COMMANDS}
    assert (set(RUN_BY) | set(NOT_HERE)) - shown <= {"make help", "make docs"}
    for file in RUN_BY.values():
        assert (CHECKOUT / file).exists(), file


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_blocks_are_shell(page: Path) -> None:
    for block in blocks(page):
        checked = subprocess.run(
            ["bash", "-n"], input=re.sub(r"<(\w[\w ]*)>", r"\1", block), text=True, capture_output=True, check=False
        )
        assert checked.stderr == "", block
    assert not re.search(r"^ {4}(make|airflow) ", page.read_text(), re.MULTILINE), "commands stand in blocks of ```sh"


def test_make_help_names_every_target_that_is_written_about() -> None:
    shown = subprocess.run(["make", "help"], cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout
    targets = set(re.findall(r"^  make (\S+)", shown, re.MULTILINE))
    pages = [*PAGES, *CHECKOUT.glob("docs/adr/*.md"), *CHECKOUT.glob("deployment/*.py")]
    named = {target for page in pages for target in re.findall(r"`{1,2}make ([a-z-]+)", page.read_text())}
    named |= {command.words.removeprefix("make ") for command in COMMANDS if command.words.startswith("make ")}
    assert named <= targets


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.words.startswith("make ")], ids=lambda command: command.text)
def test_what_is_given_to_make_is_what_its_recipe_reads(command: Command) -> None:
    target = command.words.removeprefix("make ")
    recipe = re.search(rf"^{target}:.*\n((?:\t.*\n)*)", MAKEFILE, re.MULTILINE)
    assert recipe is not None, target
    for name in re.findall(r"\b([A-Z]+)=", command.text.partition(target)[2]):
        assert f"$${{{name}:" in recipe.group(1), name


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.words.startswith("airflow ")], ids=lambda command: command.text)
def test_airflow_takes_its_arguments_and_the_dag_its_configuration(command: Command) -> None:
    arguments: Any = get_parser().parse_args(shlex.split(re.sub(r"\$\([^)]*\)", "2026-01-01", command.text))[1:])
    if getattr(arguments, "conf", None) is None:
        return
    params = {"transaction_patterns": trigger_params, "audit_feed": audit_params}[arguments.dag_id]()
    for name, value in json.loads(arguments.conf).items():
        params[name].value = value  # refused when it does not fit the schema
        params[name].resolve()
