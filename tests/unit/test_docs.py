"""The pages: links lead somewhere, named files exist, decisions have their form."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
ADR = CHECKOUT / "docs" / "adr"
SKIPPED = {"node_modules", "out"}
MOST_LINES = 60  # one page

LINK = re.compile(r"\[[^\]\n]+\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
NAMED_FILE = re.compile(r"`((?:plugins|dags|local|spark_jobs|include|tests|docs|templates)/[\w./-]+)`")


def _pages(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name in SKIPPED or path.name.startswith("."):
            continue
        if path.is_dir():
            yield from _pages(path)
        elif path.suffix == ".md":
            yield path


def _anchors(page: str) -> set[str]:
    """Give what a heading can be linked by, as GitHub makes it."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


PAGES = list(_pages(CHECKOUT))
DECISIONS = sorted(ADR.glob("[0-9]*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(FENCE.sub("", page.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name) if name else page
        assert file.resolve().is_relative_to(CHECKOUT), target
        assert file.exists(), target
        if anchor:
            assert anchor in _anchors(file.read_text()), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_files_that_are_named_exist(page: Path) -> None:
    assert [name for name in NAMED_FILE.findall(page.read_text()) if not (CHECKOUT / name).exists()] == []


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.name)
def test_a_decision_has_its_form(page: Path) -> None:
    text = page.read_text()
    assert re.match(rf"# {page.name[:4]} \w.*\n\n## Context\n", text)
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]
    assert all(section.strip() for section in re.split(r"^## .+$", text, flags=re.MULTILINE))
    assert len(text.splitlines()) <= MOST_LINES


def test_decisions_are_numbered_and_listed_once() -> None:
    assert [int(page.name[:4]) for page in DECISIONS] == list(range(1, len(DECISIONS) + 1))
    assert LINK.findall((ADR / "README.md").read_text()) == [page.name for page in DECISIONS]


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.name)
def test_a_decision_refers_to_decisions_that_exist(page: Path) -> None:
    referred = re.findall(r"(?<![\d,.`])0\d{3}(?!\d)", page.read_text())
    assert set(referred) <= {other.name[:4] for other in DECISIONS}
