"""The command line of `make run`: what it refuses before anything starts, and the bounds that it gives to runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from local import run
from local.run import RunRequest


def arguments(tmp_path: Path, *more: str) -> list[str]:
    for name in ("t.csv", "i.csv"):
        (tmp_path / name).touch()
    files = ["--transactions", str(tmp_path / "t.csv"), "--importance", str(tmp_path / "i.csv"), "--out", str(tmp_path / "out")]
    return ["run", *files, *more]


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (["--first", "0"], "FIRST is 0; chunks are numbered from 1"),
        (["--first", "5", "--last", "4"], "FIRST 5 is behind LAST 4"),
        (["--interval", "soon"], "interval_seconds is 'soon'; it is a number"),
        (["--settings", "absent.json"], "SETTINGS absent.json: "),
        (["--transactions", "absent.csv"], "TRANSACTIONS absent.csv: no such file"),
    ],
)
def test_what_is_refused_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], more: list[str], reason: str
) -> None:
    monkeypatch.setattr("sys.argv", arguments(tmp_path, *more))
    assert run.main() == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"failed: {reason}")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("first", "last", "due", "bounds"),
    [
        (None, 3, None, {"last_chunk": 3}),
        (4, None, None, {"first_chunk": 4}),
        (None, 9, 2, {"last_chunk": 2}),
        (4, None, 6, {"first_chunk": 4, "last_chunk": 6}),
        (4, 5, 9, {"first_chunk": 4, "last_chunk": 5}),
        (4, 5, 1, {"first_chunk": 4, "last_chunk": 4}),
    ],
)
def test_bounds_are_the_range_as_far_as_it_is_due(
    first: int | None, last: int | None, due: int | None, bounds: dict[str, int]
) -> None:
    request = RunRequest(Path("t"), Path("i"), Path("o"), {}, first, last)
    assert run._bounds(request, due) == bounds
