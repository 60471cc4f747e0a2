"""The commands that the documents show, and what becomes of each in the tests."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

CHECKOUT = Path(__file__).resolve().parents[1]
PAGES = [CHECKOUT / "README.md", CHECKOUT / "CONTRIBUTING.md", *sorted((CHECKOUT / "docs").glob("*.md"))]
_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
_HERE_DOCUMENT = re.compile(r"<<'(\w+)'\n.*?^\1$", re.MULTILINE | re.DOTALL)


class Command(NamedTuple):
    """A command of a page; what it sets before it runs, and comments, are left out."""

    page: str
    text: str

    @property
    def words(self) -> str:
        """What it is known by: its program, and for programs with commands of their own the first of these."""
        program, *rest = self.text.split()
        return " ".join([program, *rest[:1]]) if program in ("make", "az", "airflow", "gcloud") else program


def blocks(page: Path) -> list[str]:
    """Give the shell blocks of a page."""
    return _BLOCK.findall(page.read_text())


def commands() -> Iterator[Command]:
    """Give all commands of all pages, those in loops and in ``$(...)`` as well."""
    for page in PAGES:
        for block in blocks(page):
            plain = _HERE_DOCUMENT.sub("", block).replace("\\\n", " ")
            for line in re.split(r"\n|; do |; done| && |(?<=\));", plain):
                inner = re.findall(r"\$\(([a-z][^)]*)\)", line)
                for text in [*inner, line]:
                    bare = re.sub(r"(^|\s)#.*", "", text).strip()
                    if bare and bare not in ("done", "do"):
                        yield Command(page.name, bare)
