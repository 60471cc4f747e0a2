"""The trigger form: what it shows, and what it refuses before a run starts. Validated as the API server does it."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any

import pytest
from airflow.exceptions import ParamValidationError
from airflow.sdk import DAG

from feeds.settings import RULES, FeedSettings

OWN = (
    "feed", "first_chunk", "last_chunk", "batch_chunks", "flush", "rebuild",
    "folder_id", "transactions_file", "importance_file",
)  # fmt: skip


def test_it_has_the_settings_under_their_names(dag: DAG) -> None:
    assert tuple(dag.params) == OWN + tuple(item.name for item in fields(FeedSettings))


def test_every_field_of_every_form_explains_itself(each: DAG) -> None:
    """By a title; by its name in files, ledger and job, what it means, and an example or limits."""
    titles = []
    for name in each.params:
        schema = each.params.get_param(name).schema
        text = schema["description_md"]
        assert text.startswith(f"**{name}**: ")
        assert "`" not in text, "Airflow's form draws it over the line above"
        assert text.endswith(".")
        assert schema["type"]
        titles.append(schema["title"])
        if "maximum" in schema:
            assert re.search(rf"\b{schema['minimum']}( to {schema['maximum']:,})?\.$", text)
        elif "string" in schema["type"]:
            assert schema.get("enum") or (schema["maxLength"] and re.search("Example|address", text))
        # The form shows a plain description in the place of the other.
        assert each.params.get_param(name).description is None
    assert len(set(titles)) == len(titles)


def test_what_most_runs_are_about_is_in_one_section(dag: DAG) -> None:
    """Airflow shows one section at a time."""
    section = {name: dag.params.get_param(name).schema["section"] for name in dag.params}
    assert list(dict.fromkeys(section.values())) == [
        "The feed, and what this run does",
        "A new feed: its files and its pace",
        "Rules of the patterns: of a new feed, or of a rebuild",
        "Rejected rows",
    ]
    assert {section[name] for name in OWN[:6]} == {"The feed, and what this run does"}
    assert {name for name in section if section[name].startswith("Rules")} == set(RULES)


def test_the_defaults_are_those_of_a_new_feed(dag: DAG) -> None:
    defaults = dag.params.dump()
    assert {name: defaults[name] for name in FeedSettings().as_json()} == FeedSettings().as_json()
    assert {name: defaults[name] for name in OWN} == {
        "feed": None,
        "folder_id": "root",
        "transactions_file": "transactions.csv",
        "importance_file": "CustomerImportance.csv",
        "first_chunk": None,
        "last_chunk": None,
        "batch_chunks": None,
        "flush": False,
        "rebuild": False,
    }


@pytest.mark.parametrize(
    "conf",
    [
        {},
        {"feed": "banksim"},
        {"feed": "a" * 63},
        {"feed": "0-1"},
        {"feed": "banksim", "first_chunk": 1, "last_chunk": 1, "flush": True},
        {"chunk_size": 1, "interval_seconds": 0, "linger_seconds": 0.5, "weight_scope": "customer"},
        {"upgrade_percent": 0, "max_reject_percent": 100, "child_max_average": 22.99, "dei_min_female": 0},
    ],
)
def test_it_takes(serialized: Any, conf: dict[str, Any]) -> None:
    serialized.params.deep_merge(conf).validate()


@pytest.mark.parametrize("name", ["", "Banksim", "-a", "a_b", "a b", "a/b", "../a", "ä", "a" * 64, "a\n", "a;drop", 1])
def test_it_refuses_a_feed_named(serialized: Any, name: Any) -> None:
    _assert_refused(serialized, {"feed": name})


@pytest.mark.parametrize(
    "conf",
    [
        {"first_chunk": 0},
        {"first_chunk": -1},
        {"last_chunk": 0},
        {"batch_chunks": 0},
        {"rebuild": "yes"},
        {"last_chunk": 1.5},
        {"last_chunk": "3"},
        {"last_chunk": 2**31},
        {"flush": "yes"},
        {"folder_id": ""},
        {"folder_id": "https://drive.google.com/drive/folders/1AbC"},
        {"folder_id": "1AbC\n"},
        {"transactions_file": "t" * 256},
        {"transactions_file": ""},
        {"importance_file": None},
        {"chunk_size": 0},
        {"chunk_size": -1},
        {"chunk_size": 1_000_001},
        {"chunk_size": 10.5},
        {"chunk_size": None},
        {"interval_seconds": -0.1},
        {"upgrade_percent": 101},
        {"upgrade_percent": -1},
        {"upgrade_min_transactions": -1},
        {"weight_scope": "merchant"},
        {"weight_scope": None},
        {"child_min_transactions": 0},
        {"child_max_average": -1},
        {"child_max_average": 1_000_000_000},
        {"child_max_average": "23"},
        {"dei_min_female": -1},
        {"detections_per_file": 0},
        {"linger_seconds": -1},
        {"max_reject_percent": 100.1},
        {"max_reject_percent": -1},
    ],
    ids=str,
)
def test_it_refuses(serialized: Any, conf: dict[str, Any]) -> None:
    _assert_refused(serialized, conf)


def _assert_refused(serialized: Any, conf: dict[str, Any]) -> None:
    with pytest.raises(ParamValidationError, match=next(iter(conf))):
        serialized.params.deep_merge(conf).validate()
