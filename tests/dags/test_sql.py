"""Every statement is a file in ``include/sql``: with bound values only, and used."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import pytest

from feed_page.detections import Filters
from feeds.ledger import SQL_FOLDER
from feeds.settings import FeedSettings
from tests.dags.conftest import CHECKOUT

STATEMENTS = {path.stem: path.read_text() for path in sorted(SQL_FOLDER.glob("*.sql"))}
BOUND = re.compile(r"%\((\w+)\)s")


@dataclass(frozen=True)
class Use:
    """Where a statement is run: ``values`` are the names bound there, ``more`` whether a dict adds others."""

    statement: str
    place: str
    values: frozenset[str]
    more: bool


def _uses() -> Iterator[Use]:
    for folder in ("plugins", "dags", "local"):
        for path in sorted((CHECKOUT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call):
                    yield from _use(node, path)


def _use(call: ast.Call, path: Path) -> Iterator[Use]:
    place = f"{path.relative_to(CHECKOUT)}:{call.lineno}"
    name = call.func.attr if isinstance(call.func, ast.Attribute) else call.func.id if isinstance(call.func, ast.Name) else ""
    first = call.args[0].value if call.args and isinstance(call.args[0], ast.Constant) else None
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    if name in ("run", "row", "rows") and isinstance(first, str):
        yield Use(first, place, frozenset(filter(None, given)), None in given)
    elif name == "execute" and call.args and isinstance(call.args[0], ast.Call):
        inner = call.args[0]
        if isinstance(inner.func, ast.Name) and inner.func.id == "statement" and isinstance(inner.args[0], ast.Constant):
            yield Use(str(inner.args[0].value), place, _keys(call.args[1] if len(call.args) > 1 else None), False)
    elif isinstance(sql := given.get("sql"), ast.Constant) and str(sql.value).endswith(".sql"):
        yield Use(str(sql.value).removesuffix(".sql"), place, _keys(given.get("parameters")), False)


def _keys(node: ast.expr | None) -> frozenset[str]:
    """Give the keys of a dict that is written out."""
    keys = node.keys if isinstance(node, ast.Dict) else []
    return frozenset(str(key.value) for key in keys if isinstance(key, ast.Constant))


USES = list(_uses())


MORE = {"insert_feed": {item.name for item in fields(FeedSettings)}} | {
    name: set(Filters().bound()) for name in STATEMENTS if re.match("page_(count_)?detections", name)
}
"""Where a dict adds values, which ones."""


def test_every_statement_is_used() -> None:
    assert set(STATEMENTS) - {use.statement for use in USES} == set()


@pytest.mark.parametrize("use", USES, ids=lambda use: f"{use.place} {use.statement}")
def test_a_use_names_a_file_and_binds_its_values(use: Use) -> None:
    assert use.statement in STATEMENTS
    wanted = set(BOUND.findall(STATEMENTS[use.statement]))
    if use.more:
        wanted -= MORE[use.statement]
    assert use.values == wanted


def test_a_new_feed_keeps_every_setting() -> None:
    assert {item.name for item in fields(FeedSettings)} <= set(BOUND.findall(STATEMENTS["insert_feed"]))


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_has_bound_values_only(name: str) -> None:
    text = STATEMENTS[name]
    if BOUND.search(text):  # without values psycopg takes the text as it is, and % means nothing
        assert "%" not in BOUND.sub("", text)
    assert not re.search(r"\{[\w{%#]|%s|\$\d|(?<!:):[a-z]", _without_strings(text))


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_says_what_it_is_for(name: str) -> None:
    assert STATEMENTS[name].startswith("-- ")
    assert STATEMENTS[name].endswith("\n")


def test_no_other_module_speaks_sql() -> None:
    speaks = re.compile(r"""["'](select|insert into|update|delete from|with) \w""")
    plugins = sorted((CHECKOUT / "plugins").rglob("*.py"))
    assert [path.name for path in plugins if speaks.search(path.read_text())] == []


@pytest.mark.parametrize(
    "file",
    [path for folder in ("plugins", "dags", "local") for path in sorted((CHECKOUT / folder).rglob("*.py"))],
    ids=lambda file: str(file.relative_to(CHECKOUT)),
)
def test_what_is_executed_is_a_file_or_written_out(file: Path) -> None:
    """No text is put into a statement: what is executed stands there, or is composed by psycopg, which quotes."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "execute" and node.args:
            said = ast.unparse(node.args[0])
            safe = isinstance(node.args[0], ast.Constant) or re.match(r"statement\(|sql\.SQL\('[^']*'\)\.format\(", said)
            assert safe, f"{file.name}:{node.lineno}: {said}"


def _without_strings(text: str) -> str:
    return re.sub(r"'[^']*'|--[^\n]*", "", text)
