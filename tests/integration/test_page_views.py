"""The views of the page against a real ledger, without Airflow around them. Who may see them: tests/e2e/test_page_access.py."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient
from psycopg.types.json import Jsonb

from feed_page import app as page
from feed_page import reading
from feeds.blobs import Blobs
from feeds.detection import open_batch
from feeds.drive import DriveHook
from feeds.export import export_detections
from feeds.landing import land
from feeds.ledger import Ledger
from local.config import Addresses
from tests.conftest import FeedFiles, drop_ledger
from tests.integration.pipeline import commit
from tests.integration.test_commit_and_export import stage
from tests.integration.test_landing import HEADER, rows

Connection = psycopg.Connection[Any]
VIEWS = ("/", "/chunks", "/detections", "/files", "/merchants")
NASTY = "<script>alert(1)</script>"


@pytest.fixture
def client(services: Addresses) -> Iterator[TestClient]:
    """The page under ``/prefix``, for somebody who may see it."""
    app = page.page_app()
    allowed = app.router.dependencies[0].dependency
    assert allowed is not None
    app.dependency_overrides[allowed] = lambda: None
    with TestClient(app, root_path="/prefix/transaction-patterns", raise_server_exceptions=False) as client:
        yield client
    app.dependency_overrides.clear()


@pytest.fixture
def fed(
    ledger: Ledger, drive: DriveHook, blobs: Blobs, connection: Connection, make_feed: Callable[..., FeedFiles]
) -> tuple[Ledger, str]:
    """Three chunks, the first two applied in one batch with eight detections, of which two files hold six."""
    files = make_feed("paged", HEADER + rows(250))
    land(ledger, drive, blobs, files.request(chunk_size=100, detections_per_file=3))
    batch = open_batch(ledger, "paged", 1, 2, None)
    assert batch is not None
    stage(connection, batch, detections=8)
    connection.execute(
        "update ledger.staged_detection set evidence = %s where customer = 'C003'",
        [Jsonb({"transactions": 84, "amount": "1882.44", "child_min_transactions": 80, "child_max_average": "23"})],
    )
    connection.execute("update ledger.staged_detection set customer = %s where customer = 'C004'", [NASTY])
    commit(batch["batch_id"])
    export_detections(ledger, blobs, "paged", flush=False)
    connection.execute("update ledger.detection set still_holds = false, audited_chunk = 2 where customer = 'C003'")
    return ledger, "paged"


def squares(html: str) -> list[str]:
    return re.findall(r'class="square (\w+)', html.split('id="squares"')[1])


@pytest.mark.parametrize("view", VIEWS)
def test_without_a_feed_every_view_says_what_to_do(client: TestClient, ledger: Ledger, view: str) -> None:
    answer = client.get(view)
    assert answer.status_code == 200
    assert "No feed yet" in answer.text
    assert 'href="/prefix/dags/transaction_patterns"' in answer.text


@pytest.mark.parametrize("view", VIEWS)
def test_before_the_ledger_exists_as_well(client: TestClient, services: Addresses, view: str) -> None:
    drop_ledger(services)
    answer = client.get(view)
    assert (answer.status_code, "No feed yet" in answer.text) == (200, True)


@pytest.mark.parametrize("view", VIEWS)
def test_addresses_lie_under_the_prefix(client: TestClient, fed: tuple[Ledger, str], view: str) -> None:
    html = client.get(view).text
    found = re.findall(r'(?:href|src|action)="([^"#]+)"', html)
    assert len(found) > 8
    assert [address for address in found if not address.startswith("/prefix/")] == []


@pytest.mark.parametrize("view", VIEWS)
def test_an_unknown_feed_is_named(client: TestClient, fed: tuple[Ledger, str], view: str) -> None:
    answer = client.get(view, params={"feed": "no-such"})
    assert answer.status_code == 404
    assert "no feed &#39;no-such&#39;; the newest ones are paged" in answer.text


def test_the_overview(client: TestClient, fed: tuple[Ledger, str]) -> None:
    html = client.get("/", params={"feed": "paged"}).text
    figures = dict(re.findall(r'data-figure-of="(\w+)">([\d,]+)<', html))
    assert figures == {"applied": "2", "landed": "3", "lag": "1", "detections": "8", "files": "2"}
    assert "PatId2 8" in html
    charts = [json.loads(text.replace("&#34;", '"')) for text in re.findall(r'data-figure="([^"]+)"', html)]
    assert [[trace["name"] for trace in chart["data"]] for chart in charts] == [
        ["landed", "applied"],
        ["PatId1", "PatId2", "PatId3"],
        ["landing", "waiting", "detecting", "committing", "exporting"],
    ]


def test_chunks_are_squares(client: TestClient, fed: tuple[Ledger, str], connection: Connection) -> None:
    ledger, feed = fed
    assert squares(client.get("/chunks").text) == ["applied", "applied", "landed"]
    batch = open_batch(ledger, feed, None, None, None, run_id="manual__2026-11-26T10:00:00+00:00")
    assert batch is not None
    ledger.run("fail_batch", batch_id=batch["batch_id"], generation=1, error="the job failed")
    html = client.get("/chunks").text
    assert squares(html) == ["applied", "applied", "failed"]
    assert 'href="/prefix/dags/transaction_patterns/runs/manual__2026-11-26T10%3A00%3A00%2B00%3A00"' in html
    assert "Chunk 3: landed, its batch has failed and is tried again; 50 rows, 0 rejected;" in html
    assert "the job failed" not in html, "that is what the overview says"


def test_detections_explain_themselves(client: TestClient, fed: tuple[Ledger, str]) -> None:
    html = client.get("/detections").text
    assert "84 transactions, average 22.41 &lt; 23" in html
    assert "not kept: detected by an older version" in html
    assert re.findall(r"<option value=.PatId\d.>([^<]+)", html) == ["PatId2 CHILD"]
    assert "no, at chunk 2" in html
    assert NASTY not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ({}, 8),
        ({"pattern": "PatId2"}, 8),
        ({"pattern": "PatId1"}, 0),
        ({"merchant": "M1", "customer": "C003"}, 1),
        ({"customer": NASTY}, 1),
        ({"first_chunk": "2"}, 0),
        ({"first_chunk": "", "last_chunk": "1", "merchant": ""}, 8),
    ],
)
@pytest.mark.parametrize("sort", ["newest", "oldest", "merchant", "customer"])
def test_filters(client: TestClient, fed: tuple[Ledger, str], filters: dict[str, str], count: int, sort: str) -> None:
    html = client.get("/detections", params=filters | {"sort": sort}).text
    assert html.count("<tr id=") == count
    lines = list(
        csv.DictReader(io.StringIO(client.get("/detections.csv", params=filters | {"sort": sort, "feed": "paged"}).text))
    )
    assert len(lines) == count


@pytest.mark.parametrize("sort", ["newest", "oldest", "merchant", "customer"])
def test_pages_follow_each_other(client: TestClient, fed: tuple[Ledger, str], sort: str, monkeypatch: pytest.MonkeyPatch) -> None:
    everything = re.findall(r'<tr id="d(\d+)"', client.get("/detections", params={"sort": sort}).text)
    assert len(everything) == 8
    monkeypatch.setattr("feed_page.detections.PAGE", 3)
    found: list[str] = []
    address: str | None = f"/prefix/transaction-patterns/detections?sort={sort}"
    while address:
        html = client.get(address.removeprefix("/prefix/transaction-patterns")).text
        found += re.findall(r'<tr id="d(\d+)"', html)
        link = re.search(r'rel="next" href="([^"]+)"', html)
        address = link[1].replace("&amp;", "&") if link else None
    assert found == everything


@pytest.mark.parametrize(
    "nonsense", [{"pattern": "Pat Id"}, {"sort": "length"}, {"first_chunk": "one"}, {"after": "x"}, {"merchant": "M" * 301}]
)
def test_nonsense_is_refused(client: TestClient, fed: tuple[Ledger, str], nonsense: dict[str, str]) -> None:
    assert client.get("/detections", params=nonsense).status_code == 422


@pytest.mark.parametrize(
    "address", ["/detections?first_chunk=3000000000", "/detections?merchant=%00", "/files?before=3000000000"]
)
def test_what_postgresql_cannot_take_is_refused_in_words(client: TestClient, fed: tuple[Ledger, str], address: str) -> None:
    answer = client.get(address)
    assert answer.status_code == 422
    assert "cannot take what the address asks for" in answer.text


def test_a_file_is_sent_byte_for_byte_and_what_is_not_there_is_404(client: TestClient, fed: tuple[Ledger, str]) -> None:
    answer = client.get("/files/paged/1.csv")
    assert answer.content == Blobs().read("detections/paged/detections-000001.csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="detections-000001.csv"'
    assert client.get("/files/paged/3.csv").status_code == 404
    assert client.get("/files/other/1.csv").status_code == 404
    assert client.get("/files/other.zip").status_code == 404
    assert client.get("/static/..%2Fapp.py").status_code == 404


def test_nothing_can_be_written_and_nothing_comes_from_elsewhere(client: TestClient, ledger: Ledger) -> None:
    with (
        reading.open_reader() as reader,
        pytest.raises((psycopg.errors.ReadOnlySqlTransaction, psycopg.errors.InsufficientPrivilege)),
    ):
        reader.run("unfollow_feed", feed="f")
    headers = client.get("/").headers
    assert headers["content-security-policy"].startswith("default-src 'self';")
    assert (headers["cache-control"], headers["x-content-type-options"]) == ("no-store", "nosniff")


def test_it_reads_with_the_role_of_the_pipeline_where_there_is_no_reader(
    client: TestClient, fed: tuple[Ledger, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_LEDGER_READER")
    assert "PatId2 8" in client.get("/").text
    with reading.open_reader() as reader, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        reader.run("unfollow_feed", feed="f")


def test_a_ledger_that_is_away_is_said_and_looked_for_again(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    away = json.dumps({"conn_type": "postgres", "host": "127.0.0.1", "port": 1, "login": "x", "password": "y", "schema": "z"})
    monkeypatch.setenv("AIRFLOW_CONN_LEDGER_READER", away)
    answer = client.get("/")
    assert answer.status_code == 503
    assert "The ledger does not answer" in answer.text
    assert 'data-refresh="5"' in answer.text


def test_merchants(client: TestClient, fed: tuple[Ledger, str], connection: Connection) -> None:
    """The thresholds are those of the rule: a rank counts who is better, ties share it."""
    connection.execute("delete from ledger.pair_total")
    connection.execute("delete from ledger.ranked_total")
    connection.execute("update ledger.merchant_total set transactions = 60000, female = 99, male = 120 where merchant = 'M1'")
    totals = [100, 90, 90, 90, 80, 78, 76, 70, 60, 50, 40]
    for place, transactions in enumerate(totals):
        connection.execute(
            "insert into ledger.pair_total values (1, 'M1', %s, %s, %s, true, false, %s)",
            [f"D{place}", transactions, 23 * transactions, place + 1],
        )
    connection.execute(
        "insert into ledger.ranked_total select 1, 'M1', transactions, count(*) from ledger.pair_total group by transactions"
    )
    cells = cells_of(client)
    # 11 ranked: 100 * (rank - 1) <= 10 * 10 lets ranks 1 and 2 qualify: 90 transactions, weight 2.
    assert cells[:6] == ["M1", "60,000", "99", "120", "≥ 90", "≤ 2.0000"]
    assert cells[6:9] == ["0", "8", "0"]
    # PatId1: at least 85.5 transactions and a weight of at most 2.1; PatId2: at least 76 transactions, average 23 < 24.15.
    assert cells[9:12] == ["2", "7", "yes"]
    detected = "insert into ledger.detection select 1, 'PatId1', 'M1', 'D0', 'UPGRADE', 1, 100, batch_id, now() from ledger.batch"
    connection.execute(f"{detected} limit 1")
    assert cells_of(client)[9] == "1"
    connection.execute("update ledger.detection set withdrawn_by = batch_id where customer = 'D0'")
    assert cells_of(client)[9] == "2", "one that is withdrawn may fire"


def cells_of(client: TestClient) -> list[str]:
    """Give the text of each cell of the merchants' table."""
    html = client.get("/merchants").text.split("<tbody>")[1]
    return [re.sub(r"<[^>]+>", "", cell).strip() for cell in re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", html)]
