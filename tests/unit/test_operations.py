"""The page for operators quotes what the code says: each text is looked up."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from airflow.providers.databricks.operators import databricks

CHECKOUT = Path(__file__).resolve().parents[2]
PAGE = (CHECKOUT / "docs" / "operations.md").read_text()


def _texts(source: str) -> Iterator[str]:
    """Give the string constants of a module; what is formatted into one stands as a line end."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "\n" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield re.sub(r"\{\w+\}", "\n", node.value)


def _code() -> list[str]:
    modules = [*(CHECKOUT / "plugins").rglob("*.py"), *(CHECKOUT / "spark_jobs").rglob("*.py")]
    sources = [path.read_text() for path in modules] + [inspect.getsource(databricks)]
    return [text for source in sources for text in _texts(source)] + [
        path.read_text() for path in (CHECKOUT / "include" / "sql").glob("*.sql")
    ]


def quotes() -> list[str]:
    """Give what stands in the second column of the tables, and in the list of reasons, between two places that differ."""
    cells = [row.split("|")[2] for row in PAGE.splitlines() if row.startswith("|") and row.count("|") == 5]
    (reasons,) = re.findall(r"^Reasons in `.*?`: (.*?)\.$", PAGE, re.MULTILINE | re.DOTALL)
    quoted = [text for place in [*cells, reasons] for text in re.findall(r"`([^`]+)`", place)]
    return sorted({piece for text in quoted if text not in ALSO for piece in text.split("...") if re.search(r"\w{2}", piece)})


ALSO = {"connection drive: "}
"""In that column, but no text of the code: what the retry policy puts together."""

CODE = _code()


@pytest.mark.parametrize("quote", quotes())
def test_what_is_quoted_is_said(quote: str) -> None:
    assert any(quote in text for text in CODE)


def test_there_is_something_to_look_up() -> None:
    assert len(quotes()) > 60
