"""``make security``: what ruff finds insecure in our code, the licences of what we depend on, and known vulnerabilities of it.

The first two need nobody else, and ``make test`` runs them as well. For the third somebody must be asked who knows: PyPI's JSON
API and npm's registry. A registry that merely hands on their packages cannot say; then the answer is "not checked", which is no
failure, and no success either.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.azurite import node
from local.config import CHECKOUT

_PINS = CHECKOUT / "requirements-local.txt"  # with those of requirements.txt
_SECONDS = 600


@dataclass(frozen=True)
class Finding:
    """What a check has come to; ``ok`` is ``None`` when it could not be made."""

    ok: bool | None
    text: str


def insecure_code() -> Finding:
    """Apply ruff's rules of flake8-bandit; what is left out, and why, stands in pyproject.toml and beside the code."""
    done = _run([sys.executable, "-m", "ruff", "check", "--select", "S", "--output-format", "concise", "."])
    return Finding(done.returncode == 0, (done.stdout + done.stderr).strip())


def python_licences() -> Finding:
    """Compare the licence of every installed package with the list in pyproject.toml."""
    done = _run([sys.executable, "-m", "piplicenses", "--summary", "--order", "count", "--from", "mixed"])
    return Finding(done.returncode == 0, (done.stdout + done.stderr).strip())


def node_licences() -> Finding:
    """Compare the licence of every package in package-lock.json with the same list."""
    packages = json.loads((CHECKOUT / "package-lock.json").read_text())["packages"]
    licences = {name: str(package.get("license")) for name, package in packages.items() if name}
    if other := other_licences(licences):
        return Finding(False, f"not on the list of licences: {other}")
    counted = Counter(licences.values()).most_common()
    return Finding(True, "\n".join(f"{count:4}  {licence}" for licence, count in counted))


def other_licences(licences: Mapping[str, str]) -> dict[str, str]:
    """Give the packages whose licence is not on the list in pyproject.toml."""
    settings = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["pip-licenses"]
    allowed = {licence.strip() for licence in settings["allow-only"].split(";")}
    return {name: licence for name, licence in licences.items() if licence not in allowed}


def python_vulnerabilities() -> Finding:
    """Ask PyPI about all pinned packages, if it can be asked about the first one."""
    first = next(line.split()[0] for line in _PINS.read_text().splitlines() if "==" in line)
    with tempfile.TemporaryDirectory() as folder:
        probe = Path(folder) / "requirements.txt"
        probe.write_text(f"{first}\n")
        asked = _pip_audit(["--no-deps", "-r", str(probe)])
        if asked is None or any("skip_reason" in each for each in asked):
            return Finding(None, "PyPI's JSON API does not answer here")
    answer = _pip_audit(["--require-hashes", "-r", str(_PINS)])
    return Finding(None, "PyPI's JSON API gave no answer") if answer is None else vulnerable_packages(answer)


def vulnerable_packages(answer: Sequence[Mapping[str, Any]]) -> Finding:
    """Read what pip-audit says of each package."""
    found = [f"{each['name']} {each['version']}: {v['id']}" for each in answer for v in each.get("vulns", [])]
    skipped = [each["name"] for each in answer if "skip_reason" in each]
    if found:
        return Finding(False, "\n".join(found))
    if skipped:
        return Finding(None, f"{len(answer) - len(skipped)} packages have none; nothing is known of {', '.join(skipped)}")
    return Finding(True, f"none in {len(answer)} packages")


def node_vulnerabilities() -> Finding:
    """Ask npm's registry about all packages in package-lock.json."""
    npm = node().parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    done = _run([str(node()), str(npm), "audit", "--package-lock-only", "--omit", "dev", "--json"])
    try:
        found = json.loads(done.stdout)["vulnerabilities"]
    except (ValueError, KeyError):
        return Finding(None, "npm's registry does not answer")
    return Finding(not found, ", ".join(sorted(found)) or "none")


CHECKS: dict[str, Callable[[], Finding]] = {
    "insecure code": insecure_code,
    "licences, Python": python_licences,
    "licences, Node": node_licences,
    "known vulnerabilities, Python": python_vulnerabilities,
    "known vulnerabilities, Node": node_vulnerabilities,
}
_WORDS = {True: "ok", False: "FAILED", None: "NOT CHECKED"}


def main() -> int:
    """Run all checks and print what they find; the exit status is 1 when one has failed."""
    findings = {name: check() for name, check in CHECKS.items()}
    for name, finding in findings.items():
        print(f"== {name}\n{finding.text}\n")
    for name, finding in findings.items():
        print(f"{name:<32}{_WORDS[finding.ok]}")
    return int(any(finding.ok is False for finding in findings.values()))


def _pip_audit(arguments: Sequence[str]) -> list[dict[str, Any]] | None:
    """Give what pip-audit says of each package; ``None`` when it could not ask."""
    done = _run([sys.executable, "-m", "pip_audit", "--disable-pip", "--progress-spinner", "off", "--format", "json", *arguments])
    try:
        return list(json.loads(done.stdout)["dependencies"])
    except (ValueError, KeyError):
        return None


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"NO_COLOR": "1"}
    return subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False, timeout=_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
