"""The picture of the ledger shows every table and reference that the schema has, and no others."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
PAGE = (CHECKOUT / "docs" / "architecture.md").read_text()
PICTURE = PAGE.partition("erDiagram\n")[2].partition("```")[0]
SCHEMA = "".join(
    re.sub(r"--.*", "", (CHECKOUT / "include" / "sql" / f"{name}.sql").read_text()) for name in ("schema", "staging")
)
TABLE = re.compile(r"create table if not exists ledger\.(\w+) \((.*?)\n?\);", re.DOTALL)
ADDED = re.compile(r"alter table ledger\.(\w+) add (?:column if not exists )?([^;]*);")


def tables() -> dict[str, str]:
    """Give what is said of each table, wherever that is."""
    found = dict(TABLE.findall(SCHEMA))
    for table, what in ADDED.findall(SCHEMA):
        found[table] += f",\n    {what}"
    return found


def shown() -> dict[str, list[list[str]]]:
    entities = re.findall(r"^    (\w+) \{\n(.*?)^    \}", PICTURE, re.MULTILINE | re.DOTALL)
    return {name: [line.split() for line in body.splitlines()] for name, body in entities}


def test_every_table_is_shown() -> None:
    assert set(shown()) == set(tables())


def test_every_reference_is_shown() -> None:
    real = Counter((other, table) for table, said in tables().items() for other in re.findall(r"references ledger\.(\w+)", said))
    assert Counter(re.findall(r"^    (\w+) [|o]+--o\{ (\w+) :", PICTURE, re.MULTILINE)) == real


def test_the_columns_that_are_shown_exist_and_the_keys_are_whole() -> None:
    for table, columns in shown().items():
        said = tables()[table]
        if said.startswith("like "):
            said = tables()[said.split()[1].removeprefix("ledger.")]
        for kind, name, *_ in columns:
            assert re.search(rf"^\s*{name}\s+{kind}\b", said, re.MULTILINE), f"{table}.{name}"
        key = re.search(r"primary key \(([^)]*)\)", said) or re.search(r"^\s*(\w+)\s[^\n]*\bprimary key", said, re.MULTILINE)
        if key:
            assert [name for _, name, *mark in columns if mark == ["PK"]] == re.split(r",\s*", key.group(1)), table


def test_every_crash_window_has_a_number() -> None:
    assert re.findall(r"⚡ (\d+) ", PAGE) == [str(number) for number in range(1, 10)]
