"""DAGS.md is what `make docs` makes of the DAGs' docstrings, and these are what Airflow shows."""

from __future__ import annotations

import re

from airflow.dag_processing.dagbag import DagBag

from local.dags_page import PAGE, render


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == render(), "run: make docs"


def test_every_dag_is_on_it_with_its_own_page(bag: DagBag) -> None:
    text = PAGE.read_text()
    assert set(re.findall(r"^`(\w+)`$", text, re.MULTILINE)) == set(bag.dags)
    for dag in bag.dags.values():
        assert (dag.doc_md or "").strip().splitlines()[-1] in text
