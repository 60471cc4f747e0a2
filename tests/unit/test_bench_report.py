"""Rendering of docs/benchmarks.md and of the figures of docs/scale.md, and the benchmarks' command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks import __main__ as command
from benchmarks import report, results, scale
from benchmarks.results import Result
from benchmarks.targets import TARGETS

SESSION: dict[str, Any] = {
    "date": "2026-11-25T04:00:00+00:00",
    "commit": "abc",
    "machine": {"cores": 2, "processor": "p", "memory_gb": 4, "kernel": "6", "python": "3.11", "load_before": 0.1},
}


def entry(row: str, measure: str, values: list[float], unit: str = "s", feed: str = "BankSim", **more: Any) -> dict[str, Any]:
    return {**SESSION, "row": row, "measure": measure, "values": values, "unit": unit, "feed": feed, "details": {}, **more}


def line(table: str, beginning: str) -> str:
    return next(line for line in table.splitlines() if line.startswith(beginning))


def test_a_target_that_was_not_measured_says_so() -> None:
    table = report.main_table([])
    assert len(table.splitlines()) == 2 + len(TARGETS)
    assert "not measured" in line(table, "| 9 |")


def test_a_target_is_met_by_the_median_and_compared() -> None:
    entries = [
        entry("a", "lower limit, all chunks", [2.0]),
        entry("b", "usual way, all chunks", [100.0]),
        entry("3", "backfill", [30.0, 20.0, 24.0]),
        entry("6", "landing", [19.0], "chunks/s"),
    ]
    table = report.main_table(entries)
    assert line(table, "| 3 |").endswith("| <= 25 s | 24 s [20 - 30] of 3 | yes | 12 x | 0.24 x |")
    assert line(table, "| 6 |").endswith("| >= 20 chunks/s | 19 chunks/s (1 run) | **no** |  |  |")


@pytest.mark.parametrize("other", [{"feed": "other"}, {"date": "2026-11-24T04:00:00+00:00"}])
def test_a_comparison_is_of_the_same_feed_and_session(other: dict[str, Any]) -> None:
    entries = [entry("a", "lower limit, all chunks", [2.0], **other), entry("3", "backfill", [30.0])]
    assert line(report.main_table(entries), "| 3 |").endswith("| **no** |  |  |")


def test_the_newest_result_counts() -> None:
    later = {"date": "2026-11-26T04:00:00+00:00", "commit": "def"}
    entries = [entry("3", "backfill", [30.0]), entry("3", "backfill", [20.0], **later)]
    assert "| 20 s (1 run) |" in report.main_table(entries)


def test_an_earlier_session_of_the_same_commit_is_not_hidden() -> None:
    later = {"date": "2026-11-26T04:00:00+00:00"}
    entries = [
        entry("3", "backfill", [30.0]),
        entry("3", "backfill", [99.0], commit="older"),
        entry("3", "backfill", [20.0], **later),
    ]
    assert line(report.main_table(entries), "| 3 |").endswith("| 20 s (1 run); in an earlier session 30 | yes |  |  |")


def test_the_machines_own_speed_is_told() -> None:
    entries = [entry("a", "lower limit, all chunks", [seconds]) for seconds in (2.4, 5.2, 3.1)]
    assert "(a) took 2.4 to 5.2 s, and 3.1 s in the last." in report.page(entries)
    assert "The machine differs" not in report.page([entry("6", "CPU", [1.5])])


def test_a_shorter_long_feed_is_named() -> None:
    assert "(generated, 10 x BankSim)" in report.main_table(
        [entry("8", "throughput", [9e4], "rows/s", "generated, 10 x BankSim")]
    )


def test_other_figures_and_circumstances_are_listed() -> None:
    page = report.page([entry("6", "CPU", [1.5]), entry("10", "CPU, paused", [30.0], "% of a core")])
    assert page.index("| 6 | CPU | 1.5 s (1 run) | BankSim |") < page.index("| 10 | CPU, paused |")
    assert "- rows 6, 10: 2026-11-25T04:00:00+00:00, commit abc, 2 cores" in page


def test_what_is_missed_by_a_hair_does_not_read_as_what_was_asked_for() -> None:
    table = report.main_table([entry("7", "growth", [1.104], "x"), entry("6", "memory, ten times as long", [1.1], "x")])
    assert line(table, "| 7 |").endswith("| <= 1.1 x | 1.1 x (1 run); median 1.104 | **no** |  |  |")
    assert "| 1.1 x (1 run) | yes |" in table


def test_a_figure_that_its_row_no_longer_gives_is_not_shown() -> None:
    later = {"date": "2026-11-26T04:00:00+00:00", "commit": "def"}
    old = [entry("9", measure, [1.0], commit="abc+") for measure in ("old view", "view")]
    page = report.page([*old, entry("9", "view", [2.0], **later)])
    assert "| 9 | view | 2 s (1 run) |" in page
    assert "old view" not in page
    assert "abc" not in page, "nothing that is shown was measured there"
    assert "not committed" not in page


def test_results_are_added_to_those_before(tmp_path: Path) -> None:
    backfill, job = Result("3", "backfill", "s", [1.0], "f"), Result("4", "job, one chunk", "s", [1.0], "f")
    results.append([backfill], {**SESSION, "date": "2"}, tmp_path)
    results.append([backfill, job], {**SESSION, "date": "1"}, tmp_path)
    found = [(e["row"], e["values"], e["date"]) for e in results.load(tmp_path)]
    assert found == [("3", [1.0], "1"), ("4", [1.0], "1"), ("3", [1.0], "2")]


def test_figures_of_scale_follow_from_the_slopes(tmp_path: Path) -> None:
    entries = [entry("4", "job, one chunk", [4.0]), entry("5", "job, all chunks", [9.9])]
    figures = scale.figures(entries)
    assert "| 3.9 s | the same |" in figures
    assert "| 0.1 s | 10 of these machines |" in figures
    page = tmp_path / "scale.md"
    page.write_text(f"before\n{scale.BEGIN}\nold\n{scale.END}\nafter\n")
    scale.update(page, entries)
    assert page.read_text() == f"before\n{scale.BEGIN}\n{figures}\n{scale.END}\nafter\n"


def test_a_page_without_markers_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "scale.md"
    page.write_text("nothing")
    with pytest.raises(RuntimeError, match="lacks its markers"):
        scale.update(page, [])


def test_rows_are_chosen_once_and_in_order() -> None:
    assert command.chosen("10, 2,1") == ["row_paced", "row_idle"]
    assert "row_throughput" not in command.chosen(None)
    with pytest.raises(ValueError, match="there is no row 11"):
        command.chosen("3,11")
