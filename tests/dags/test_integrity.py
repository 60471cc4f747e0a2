"""The DAG file can be parsed over and over: quickly, reaching nothing, with the same result."""

from __future__ import annotations

import ast
import io
import tokenize
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.models.serialized_dag import SerializedDagModel
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import DagSerialization

from tests.dags.conftest import DAG_IDS, DAGS, Parsed

HEAVY = ("pandas", "numpy", "pyarrow", "pyspark", "googleapiclient")
"""From 0.3 s to 3 s each to import, at every parse."""

MOST_CODE_LINES = 120


def test_all_files_load(bag: DagBag) -> None:
    assert bag.import_errors == {}
    assert sorted(bag.dags) == DAG_IDS
    assert bag.captured_warnings == {}


def test_files_load_where_nothing_can_be_reached(parsed_alone: Parsed) -> None:
    assert parsed_alone.errors == {}
    assert parsed_alone.reached == []
    assert sorted(parsed_alone.hashes) == DAG_IDS


@pytest.mark.parametrize("module", HEAVY)
def test_parsing_does_not_import(parsed_alone: Parsed, module: str) -> None:
    assert [name for name in parsed_alone.modules if name.split(".")[0] == module] == []


def test_every_parse_gives_the_same_dag(parsed_alone: Parsed, each: DAG) -> None:
    """Else every parse would make a new version of the DAG."""
    assert parsed_alone.hashes[each.dag_id] == SerializedDagModel.hash(DagSerialization.to_dict(each))


def test_the_scheduler_sees_the_same_tasks(dag: DAG, serialized: Any) -> None:
    assert {task.task_id: task.downstream_task_ids for task in serialized.tasks} == {
        task.task_id: task.downstream_task_ids for task in dag.tasks
    }


@pytest.mark.parametrize("file", sorted(DAGS.glob("*.py")), ids=lambda file: file.name)
def test_a_dag_file_is_short(file: Any) -> None:
    code = _code_lines(file.read_text())
    assert len(code) < MOST_CODE_LINES, f"{len(code)} lines of code; a DAG file is wiring only"


def _code_lines(source: str) -> set[int]:
    """Give the numbers of the lines that hold code: no blank lines, comments and docstrings."""
    nothing = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    docstrings = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None:
            docstrings |= set(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    lines = {n for token in tokens if token.type not in nothing for n in range(token.start[0], token.end[0] + 1)}
    return lines - docstrings
