"""The checks of `make security` that need nobody else, and how the others read their answers."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from local import security
from local.config import CHECKOUT
from local.security import Finding

CODE = ("plugins", "dags", "spark_jobs", "deployment", "local", "benchmarks")


@pytest.mark.parametrize("check", [security.insecure_code, security.python_licences, security.node_licences])
def test_nothing_is_found(check: Any) -> None:
    finding = check()
    assert finding.ok, finding.text


@pytest.mark.parametrize("folder", CODE)
def test_a_suppressed_rule_has_its_reason_beside_it(folder: str) -> None:
    bare = re.compile(r"#\s*noqa(?!: [A-Z]+\d+(, [A-Z]+\d+)* -- \w)")
    found = [
        f"{path.relative_to(CHECKOUT)}:{number}"
        for path in sorted((CHECKOUT / folder).rglob("*.py"))
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if bare.search(line)
    ]
    assert found == []


def test_insecure_code_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "insecure.py").write_text('import os\n\nos.system("ls " + input())\n')
    monkeypatch.setattr(security, "CHECKOUT", tmp_path)
    finding = security.insecure_code()
    assert finding.ok is False
    assert "insecure.py:3:1: S605" in finding.text


def test_a_licence_that_is_not_on_the_list_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert security.other_licences({"a": "MIT", "b": "AGPL-3.0-only", "c": "None"}) == {"b": "AGPL-3.0-only", "c": "None"}
    allowed = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["pip-licenses"]["allow-only"]
    fewer = {"allow-only": allowed.replace("LGPL-3.0-only;", ""), "ignore-packages": ["google-ads", "tiktoken"]}
    lines = [f"{name} = {json.dumps(value)}" for name, value in fewer.items()]
    (tmp_path / "pyproject.toml").write_text("\n".join(["[tool.pip-licenses]", *lines]))
    monkeypatch.setattr(security, "CHECKOUT", tmp_path)
    finding = security.python_licences()
    assert finding.ok is False
    assert re.search(r"license LGPL-3\.0-only not in allow-only licenses was found for package psycopg", finding.text)


def test_what_pip_audit_says() -> None:
    good = {"name": "a", "version": "1", "vulns": []}
    bad = {"name": "b", "version": "2", "vulns": [{"id": "PYSEC-1"}]}
    unknown = {"name": "c", "skip_reason": "not on PyPI"}
    assert security.vulnerable_packages([good]) == Finding(True, "none in 1 packages")
    assert security.vulnerable_packages([good, bad, unknown]) == Finding(False, "b 2: PYSEC-1")
    assert security.vulnerable_packages([good, unknown]) == Finding(None, "1 packages have none; nothing is known of c")
