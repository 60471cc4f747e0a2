"""The commands of the README as they stand there, run in a shell on the stack of the tests."""

from __future__ import annotations

import csv
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from local.config import CHECKOUT
from local.stack import Stack
from tests.conftest import STACK_FOLDER
from tests.docs_commands import commands

SHOWN = {command.words: command.text for command in commands()} | {
    command.words: command.text for command in commands() if command.page == "README.md"
}


def run(words: str, stack_folder: Path, environment: Mapping[str, str] | None = None, /, **replaced: str) -> str:
    """Run a command of the README, with the example's names replaced by real ones."""
    text = SHOWN[words]
    for name, value in replaced.items():
        assert f"{name}=" in text
        text = " ".join(f"{name}={value}" if part.startswith(f"{name}=") else part for part in text.split())
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")},
        "STACK_DIR": str(stack_folder),
        **(environment or {}),
    }
    done = subprocess.run(
        ["bash", "-ec", text], cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False, timeout=540
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_your_own_files(airflow: Stack, small: tuple[Path, Path], tmp_path: Path) -> None:
    files = {"TRANSACTIONS": str(small[0]), "IMPORTANCE": str(small[1]), "OUT": str(tmp_path / "mine")}
    said = run("make run", STACK_FOLDER, **files)
    assert "chunks landed, applied" in said
    assert airflow.is_up(), "what was up is left up"


@pytest.mark.usefixtures("airflow")
def test_the_demo() -> None:
    """Smaller than as it stands there, and without its pace: else it takes two minutes."""
    said = run("make demo", STACK_FOLDER, {"ROWS": "150000", "SEED": "3", "INTERVAL": "0"})
    assert "generating 150,000 transactions (seed 3)" in said
    assert re.search(r"chunks landed, applied +│ 15, 15 \(the end of the feed\)", said)
    first = re.search(r"^(out/demo/detections/\S+) begins:$", said, re.MULTILINE)
    assert first is not None, said
    with (CHECKOUT / first[1]).open(newline="") as file:
        found = list(csv.DictReader(file))
    assert {row["ActionType"] for row in found} == {"UPGRADE", "DEI-NEEDED"}
    assert re.search(rf"detections in files +│ {len(found)} of {len(found)}, in 1 files", said)


def test_the_stack_is_up_and_shown(airflow: Stack) -> None:
    assert airflow.addresses.airflow_url in run("make up", STACK_FOLDER)
    status = run("make status", STACK_FOLDER)
    assert all(program in status for program in ("postgres", "azurite", "minilake", "spark", "scheduler"))


@pytest.mark.usefixtures("tmp_path")
def test_a_stack_that_is_not_there_is_taken_down(tmp_path: Path) -> None:
    run("make down", tmp_path / "no-stack")
    assert not (tmp_path / "no-stack" / "postgres").exists()
