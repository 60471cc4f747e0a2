"""The code of the detection job: which files it is, and where they lie in the Databricks workspace.

They lie in a folder that is named by what they contain. So the Airflow that submits a batch names the code that was released with
it, whatever is deployed meanwhile; a run that goes on keeps its code; and to go back is to go back in Airflow alone.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

JOB_CODE = Path(__file__).resolve().parents[2] / "spark_jobs"
ENTRY = "detect_patterns.py"


def job_files(root: Path = JOB_CODE) -> dict[str, bytes]:
    """Give the files of the job by their path in its folder, the one that is executed last.

    Raises
    ------
    FileNotFoundError
        They are not where they should be.
    """
    files = {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.suffix == ".py" or path.name == "requirements.txt"
    }
    if ENTRY not in files:
        raise FileNotFoundError(f"{root} has no {ENTRY}: put spark_jobs/ beside plugins/, as in the repository")
    entry = files.pop(ENTRY)
    return {**files, ENTRY: entry}


def job_version(root: Path = JOB_CODE) -> str:
    """Name the version of the job's code: the same for the same files, another when a byte of them differs."""
    digest = hashlib.sha256()
    for name, content in sorted(job_files(root).items()):
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:12]


def version_folder(folder: str) -> str:
    """Give the folder of this version below the one that is named in the connection ``databricks``."""
    return f"{folder.rstrip('/')}/{job_version()}"
