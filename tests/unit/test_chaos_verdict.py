"""The verdict of a chaos: what differs is named, and the table counts and says so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from local.chaos.outcome import Outcome, differences
from local.chaos.plan import Event, Kind
from local.chaos.rounds import Incident, Round
from local.chaos.table import summary, write_markdown

BASELINE = Outcome(
    merchants=[("M1", 2, 1, 0)], pairs=[("M1", "C1", 2)], weights=[], detections=[(1, 1, "PatId3"), (2, 1, "PatId2")],
    files=[(1, 1, 2, ("PatId3",), ("PatId2",))], chunks=[("1",)], chunk_blobs=[("chunk-000001.csv", "ab")], reject_blobs=[],
)  # fmt: skip


def test_equal_outcomes_do_not_differ() -> None:
    assert differences(BASELINE, replace(BASELINE)) == []


def test_what_is_missing_added_or_moved_is_named() -> None:
    lost = replace(BASELINE, detections=BASELINE.detections[:1])
    assert differences(BASELINE, lost) == ["detections: (2, 1, 'PatId2') is missing"]
    assert differences(lost, BASELINE) == ["detections: (2, 1, 'PatId2') is not in the baseline"]
    turned = replace(BASELINE, detections=BASELINE.detections[::-1])
    assert differences(BASELINE, turned) == ["detections: the same lines in another order, or not equally often"]
    doubled = replace(BASELINE, weights=[("M1", "C1", 1)] * 2)
    assert "not equally often" in differences(replace(BASELINE, weights=[("M1", "C1", 1)]), doubled)[0]


def test_only_the_first_differences_are_named() -> None:
    many = replace(BASELINE, pairs=[("M1", f"C{number}", 1) for number in range(100)])
    assert len(differences(BASELINE, many)) == 4


def incident(kind: Kind, ill_seconds: float | None) -> Incident:
    return Incident(Event(kind, "land_chunks", 1.0, 0.5), f"hit {kind}", 12.34, 3, 2, ill_seconds)


def test_the_table_says_what_happened(tmp_path: Path) -> None:
    good = Round(1, "f-1", [incident(Kind.JOB, 4.26), incident(Kind.CLEAR, None)], seconds=60)
    bad = Round(2, "f-2", [incident(Kind.SPARK, 9)], seconds=70, problems=["merchants: x is missing"])
    assert summary([good]) == "1 rounds, 1 kills (job 1), besides clear 1: all as the undisturbed run."
    assert summary([good, bad]).endswith("1 of 2 rounds differ.")
    write_markdown([good, bad], "make chaos SEED=1", tmp_path / "t.md")
    lines = (tmp_path / "t.md").read_text().splitlines()
    assert lines[0].startswith("`make chaos SEED=1`: 2 rounds, 2 kills")
    assert "| 1 | hit job | 12.3 s | 3, 2 | 4.3 s |  |" in lines
    assert "|  | hit clear | 12.3 s | 3, 2 |  | identical, 60 s |" in lines
    assert "| 2 | hit spark | 12.3 s | 3, 2 | 9.0 s | differs, 70 s |" in lines
    assert lines[-1] == "- round 2: merchants: x is missing"
