"""Names of blobs are made of a feed's name and numbers, and of nothing that comes from the data."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds import blob_names

NAMES = [function for _, function in inspect.getmembers(blob_names, inspect.isfunction)]
FEED = r"[a-z0-9][a-z0-9-]{0,62}"  # as the trigger form and the ledger have it


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name.__name__)
def test_a_name_is_made_of_the_feed_and_a_number(name: Callable[..., str]) -> None:
    kinds = [parameter.annotation for parameter in inspect.signature(name).parameters.values()]
    assert kinds in (["str"], ["str", "int"])
    assert next(iter(inspect.signature(name).parameters)) == "feed"


@given(st.from_regex(FEED, fullmatch=True, alphabet=st.characters(codec="ascii")), st.integers(1, 10**9))
def test_no_feed_leads_elsewhere(feed: str, number: int) -> None:
    made = [name(feed, *[number] * (len(inspect.signature(name).parameters) - 1)) for name in NAMES]
    assert all(
        re.fullmatch(rf"(chunks|rejects|importance|detections)/{feed}/([A-Za-z]+-\d{{6,10}}\.csv)?", name) for name in made
    )
    assert len(set(made)) == len(made)
