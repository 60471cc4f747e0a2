"""Which code a submission names, and that the job needs nothing that is not listed."""

from __future__ import annotations

import ast
import re
import shutil
import sys
from pathlib import Path

import pytest

from feeds.job_code import ENTRY, JOB_CODE, job_files, job_version, version_folder


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A copy of the job's folder."""
    return Path(shutil.copytree(JOB_CODE, tmp_path / "spark_jobs", ignore=shutil.ignore_patterns("__pycache__")))


def test_the_version_is_that_of_the_content(code: Path) -> None:
    assert job_version(code) == job_version()
    assert re.fullmatch(r"[0-9a-f]{12}", job_version())
    (code / "detectors" / "child.py").write_text("# another\n")
    changed = job_version(code)
    (code / "detectors" / "child.py").rename(code / "detectors" / "other.py")
    assert len({job_version(), changed, job_version(code)}) == 3


def test_what_is_no_code_has_no_part_in_the_version(code: Path) -> None:
    (code / "__pycache__").mkdir()
    (code / "__pycache__" / "detect_patterns.cpython-311.pyc").write_bytes(b"compiled")
    assert job_version(code) == job_version()


def test_every_file_is_deployed_the_one_that_is_executed_last() -> None:
    names = list(job_files())
    assert names[-1] == ENTRY
    assert set(names) == {path.relative_to(JOB_CODE).as_posix() for path in JOB_CODE.rglob("*.py")} | {"requirements.txt"}


def test_a_folder_may_end_in_a_slash() -> None:
    assert version_folder("/Workspace/a/") == version_folder("/Workspace/a") == f"/Workspace/a/{job_version()}"


def test_code_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"has no detect_patterns\.py: put spark_jobs/ beside plugins/"):
        job_version(tmp_path)


def test_the_list_of_packages_is_what_the_job_imports() -> None:
    imported = set()
    for path in JOB_CODE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {name.name.partition(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(str(node.module).partition(".")[0])
    own = {path.stem for path in JOB_CODE.iterdir()}
    lines = (JOB_CODE / "requirements.txt").read_text().splitlines()
    listed = {line.partition("=")[0] for line in lines if line and not line.startswith("#")}
    assert imported - own - set(sys.stdlib_module_names) - {"pyspark"} == listed
