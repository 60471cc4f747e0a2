"""What a run asks for: its validated params, of which only the settings count that its configuration mentions."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from feeds.errors import FeedSettingsError
from feeds.forms import trigger_params
from feeds.params import feed_request, request_from
from feeds.request import FeedRequest
from feeds.settings import FeedSettings

if TYPE_CHECKING:
    from airflow.sdk import Context


def _params(conf: dict[str, Any]) -> dict[str, Any]:
    """Params of a run as Airflow gives them to a task: the form's defaults under the run's configuration."""
    return {name: param.resolve() for name, param in trigger_params().items()} | conf


def _request(conf: dict[str, Any]) -> FeedRequest:
    return request_from(_params(conf), conf, conf.get("feed") or "carried-on")


def test_a_scheduled_run_asks_for_nothing() -> None:
    assert _request({}) == FeedRequest("carried-on", {}, scheduled=True)


def test_a_request_knows_its_run() -> None:
    run = SimpleNamespace(run_id="asset_triggered__1", conf=None)
    found = feed_request(cast("Context", {"params": _params({}), "dag_run": run}), "carried-on")
    assert found == FeedRequest("carried-on", {}, scheduled=True, run_id="asset_triggered__1")


def test_the_forms_defaults_do_not_bind_a_feed() -> None:
    assert _params({})["chunk_size"] == 10_000
    assert _request({"feed": "banksim"}).settings == {}


@pytest.mark.parametrize(("name", "default"), FeedSettings().as_json().items())
def test_a_setting_counts_when_the_run_mentions_it(name: str, default: Any) -> None:
    """Also with the default's value: the run has asked for it."""
    assert _request({"feed": "banksim", name: default}).settings == {name: default}


def test_the_form_sends_every_field_and_only_what_was_changed_counts() -> None:
    untouched = _params({}) | {"feed": "banksim", "flush": True}
    assert _request(untouched).settings == {}
    assert _request(untouched | {"chunk_size": 500}).settings == {"chunk_size": 500}


def test_settings_are_taken_as_validated() -> None:
    params = _params({}) | {"feed": "banksim", "chunk_size": 7}
    assert request_from(params, {"feed": "banksim", "chunk_size": 7.0}, "banksim").settings == {"chunk_size": 7}


def test_all_that_is_not_a_setting_is_carried_over() -> None:
    conf = {
        "feed": "banksim",
        "folder_id": "1AbC",
        "transactions_file": "t.csv",
        "importance_file": "i.csv",
        "first_chunk": 2,
        "last_chunk": 5,
        "flush": True,
    }
    assert _request(conf) == FeedRequest("banksim", {}, "1AbC", "t.csv", "i.csv", 2, 5, flush=True)
    sized = conf | {"flush": False, "batch_chunks": 2}
    assert _request(sized) == FeedRequest("banksim", {}, "1AbC", "t.csv", "i.csv", 2, 5, 2)


def test_a_rebuild_carries_the_rules_that_are_named() -> None:
    conf = {"feed": "banksim", "rebuild": True, "child_max_average": 22.5}
    assert _request(conf) == FeedRequest("banksim", {"child_max_average": 22.5}, rebuild=True)


@pytest.mark.parametrize(
    ("conf", "message"),
    [
        ({"feed": "banksim", "rebuild": True, "last_chunk": 3}, "all applied chunks of a feed"),
        ({"feed": "banksim", "batch_chunks": 3}, "batch_chunks divides a range"),
        ({"feed": "banksim", "last_chunk": 9, "batch_chunks": 3, "flush": True}, "flush later"),
    ],
)
def test_wishes_that_contradict_each_other_are_refused(conf: dict[str, Any], message: str) -> None:
    with pytest.raises(FeedSettingsError, match=message):
        _request(conf)


@pytest.mark.parametrize(
    "wish",
    [{"first_chunk": 3}, {"batch_chunks": 2}, {"flush": True}, {"rebuild": True}, {"chunk_size": 500}, {"folder_id": "1AbC"}],
    ids=str,
)
def test_a_wish_is_about_a_feed_that_is_named(wish: dict[str, Any]) -> None:
    """Which feed a scheduled run would take is chance."""
    (name,) = wish
    for conf in (wish, _params({}) | wish):
        with pytest.raises(FeedSettingsError, match=f"^{name}: this is about one feed, and the run names none in feed$"):
            _request(conf)


def test_the_form_may_be_sent_as_it_is() -> None:
    assert _request(_params({})) == FeedRequest("carried-on", {}, scheduled=True)


@pytest.mark.parametrize(
    ("conf", "unknown"),
    [
        ({"chunksize": 5}, "chunksize"),
        ({"feed": "banksim", "rebild": True, "Chunk_size": 1}, "Chunk_size, rebild"),
    ],
)
def test_unknown_names_are_refused(conf: dict[str, Any], unknown: str) -> None:
    with pytest.raises(FeedSettingsError) as refused:
        request_from(_params({}), conf, "banksim")
    assert str(refused.value) == f"the run's configuration has {unknown}; it may have {', '.join(trigger_params())}"


@pytest.mark.parametrize(
    ("first", "last", "ranged"),
    [(None, None, False), (1, None, True), (None, 1, True), (1, 1, True), (3, 4, True)],
)
def test_a_range_may_be_open(first: int | None, last: int | None, ranged: bool) -> None:
    request = _request({"feed": "banksim", "first_chunk": first, "last_chunk": last})
    assert (request.first_chunk, request.last_chunk, request.ranged) == (first, last, ranged)


def test_a_range_upside_down_is_refused() -> None:
    with pytest.raises(FeedSettingsError, match=r"^first_chunk 5 is behind last_chunk 4$"):
        _request({"feed": "banksim", "first_chunk": 5, "last_chunk": 4})
