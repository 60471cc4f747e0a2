"""Rules for all of our own code that no linter knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.dags.conftest import CHECKOUT

OWN = ("plugins", "dags", "spark_jobs", "deployment", "local", "tests", "include")
FILES = sorted(path for folder in OWN for pattern in ("*.py", "*.sql") for path in (CHECKOUT / folder).rglob(pattern))
MOST_LINES = 300


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(CHECKOUT)))
def test_a_file_can_be_read_in_one_go(file: Path) -> None:
    lines = len(file.read_text().splitlines())
    assert lines <= MOST_LINES, f"{lines} lines: it is about more than one thing"


def test_every_module_is_about_something() -> None:
    vague = ("utils", "util", "helpers", "misc", "common")
    assert [str(file.relative_to(CHECKOUT)) for file in FILES if file.stem in vague] == []
