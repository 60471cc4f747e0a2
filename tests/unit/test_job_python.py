"""The Python that jobs are forked from: each job is a process as if it had been started by itself."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from local.job_process import JobPython


@pytest.fixture(scope="module")
def python() -> Iterator[JobPython]:
    found = JobPython()
    yield found
    found.stop()


def outcome(python: JobPython, script: Path, text: str, *args: str, **environment: str) -> tuple[str, int]:
    """Run a job to its end; give its output and exit code."""
    script.write_text(text)
    with tempfile.TemporaryFile("w+") as output:
        with python.fork(str(script), args, environment, output.fileno()) as report, report.makefile() as told:
            code = told.read().split()[1]
        output.seek(0)
        return output.read(), int(code)


def test_a_job_finds_what_a_script_finds(python: JobPython, tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("NAME = 'a module beside the job'")
    text = (
        "import os, sys, beside\n"
        "print(__name__, sys.argv, os.environ['RULE'], os.getcwd(), beside.NAME, sys.path[0])\n"
        "print(sys.modules['__main__'].__dict__ is globals(), os.getsid(0) == os.getpid())\n"
        "print([name for name in sys.modules if name.partition('.')[0] in ('local', 'feeds', 'minilake')])"
    )
    script = tmp_path / "job.py"
    printed, code = outcome(python, script, text, "--feed", "a b", RULE="10")
    assert printed.splitlines() == [
        f"__main__ ['{script}', '--feed', 'a b'] 10 {tmp_path} a module beside the job {tmp_path}",
        "True True",
        "[]",
    ]
    assert code == 0


def test_pyspark_is_loaded_already(python: JobPython, tmp_path: Path) -> None:
    printed, _ = outcome(python, tmp_path / "job.py", "import sys\nprint('pyspark.sql.connect.session' in sys.modules)")
    assert printed == "True\n"


def test_a_job_sees_nothing_of_the_one_before(python: JobPython, tmp_path: Path) -> None:
    leave = "import os, sys, json\nos.environ['LEFT'] = json.left = 'here'\nsys.path.append('/left')"
    assert outcome(python, tmp_path / "first.py", leave, SECRET="of the first") == ("", 0)
    look = "import os, sys, json\nprint(hasattr(json, 'left'), '/left' in sys.path, os.environ.keys() & {'LEFT', 'SECRET'})"
    assert outcome(python, tmp_path / "second.py", look) == ("False False set()\n", 0)


@pytest.mark.parametrize(
    ("text", "code", "last"),
    [
        ("import sys; sys.exit('the reason')", 1, "the reason"),
        ("import sys; print('done'); sys.exit(3)", 3, "done"),
        ("raise ValueError('wrong')", 1, "ValueError: wrong"),
        ("def of(:", 1, "SyntaxError: invalid syntax"),
        ("import os; os.kill(os.getpid(), 9)", -signal.SIGKILL, ""),
        ("import atexit; atexit.register(print, 'at the end')", 0, "at the end"),
    ],
)
def test_its_end_is_told(python: JobPython, tmp_path: Path, text: str, code: int, last: str) -> None:
    printed, told = outcome(python, tmp_path / "job.py", text)
    assert told == code
    assert printed.strip().rpartition("\n")[2] == last


def test_jobs_run_side_by_side(python: JobPython, tmp_path: Path) -> None:
    """One writes to a pipe that the other reads from: one behind the other, neither would end."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "writes.py").write_text("open('pipe', 'w').write('passed on')")
    (tmp_path / "reads.py").write_text("print(open('pipe').read())")
    with tempfile.TemporaryFile("w+") as output:
        reports = [python.fork(str(tmp_path / f"{name}.py"), (), {}, output.fileno()) for name in ("writes", "reads")]
        codes = []
        for report in reports:
            with report, report.makefile() as told:
                codes.append(told.read().split()[1])
        output.seek(0)
        assert (output.read(), codes) == ("passed on\n", ["0", "0"])


def test_it_is_started_again_when_it_was_killed(tmp_path: Path) -> None:
    python = JobPython()
    python.start()
    try:
        first = outcome(python, tmp_path / "job.py", "import os; print(os.getppid())")
        killed = psutil.Process(int(first[0]))
        killed.kill()
        killed.wait(timeout=60)
        second = outcome(python, tmp_path / "job.py", "import os; print(os.getppid())")
        assert second[1] == 0
        assert first[0] != second[0]
    finally:
        python.stop()


def test_jobs_end_with_the_service(tmp_path: Path) -> None:
    python = JobPython()
    (tmp_path / "job.py").write_text("import time; time.sleep(600)")
    with tempfile.TemporaryFile() as output:
        report = python.fork(str(tmp_path / "job.py"), (), {}, output.fileno())
        with report, report.makefile() as told:
            job = psutil.Process(int(told.readline()))
            parent = job.ppid()
            python.stop()
            assert told.readline() == ""
    gone, alive = psutil.wait_procs([job], timeout=60)
    assert (gone, alive) == ([job], [])
    assert not psutil.pid_exists(parent)
