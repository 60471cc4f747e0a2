"""The page "Transaction patterns" as somebody sees it, from before the first feed to the download of its files."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from axe_playwright_python.sync_playwright import Axe
from azure.storage.blob import ContainerClient
from playwright.sync_api import Browser, Frame, FrameLocator, expect

from local.airflow_api import AirflowApi
from local.stack import Stack
from tests.browser.conftest import SECONDS, Visitor, visiting
from tests.conftest import RULES, Found, expected
from tests.e2e.outcome import detections, within

FEED = "watched"
RANGED = "ranged"
CHUNKS = 6
VIEWS = ("", "chunks", "detections", "files", "merchants")
FEED_SECONDS = 120 * SECONDS


def figure(frame: FrameLocator, name: str) -> str:
    return frame.locator(f"[data-figure-of={name}]").inner_text()


def inner(visitor: Visitor) -> Frame:
    return next(each for each in visitor.page.frames if "/plugin/" not in each.url and "/transaction-patterns/" in each.url)


def found(small: tuple[Path, Path]) -> list[Found]:
    return expected(*small, RULES)


def test_before_the_first_feed_it_says_what_to_do(visitor: Visitor) -> None:
    visitor.page.get_by_role("link", name=re.compile("^Transacti")).click()
    expect(visitor.frame.get_by_role("heading", name="No feed yet")).to_be_visible()
    visitor.frame.get_by_role("link", name="Open the DAG").click()
    visitor.page.wait_for_url("**/dags/transaction_patterns**")


def test_figures_change_while_a_feed_runs(
    visitor: Visitor, airflow: Stack, start_feed: Callable[..., str], small: tuple[Path, Path]
) -> None:
    visitor.page.goto(f"{visitor.base_url}/plugin/transaction-patterns")
    expect(visitor.frame.get_by_role("heading", name="No feed yet")).to_be_visible()
    start_feed(FEED, small, interval_seconds=1)
    # It shows up by itself. From then on nothing is loaded anew: what is put into the window stays there.
    expect(visitor.frame.locator("[data-figure-of=landed]")).to_be_visible(timeout=FEED_SECONDS)
    inner(visitor).evaluate("window.stays = true")
    before = int(figure(visitor.frame, "applied"))
    assert before < CHUNKS, "the feed was done before anybody could look"
    expect(visitor.frame.locator("[data-figure-of=applied]")).to_have_text(str(CHUNKS), timeout=FEED_SECONDS)
    expect(visitor.frame.get_by_text("Done.")).to_be_visible(timeout=FEED_SECONDS)
    assert inner(visitor).evaluate("window.stays")
    total = len(found_rows := detections(airflow.addresses, FEED))
    assert found_rows == found(small)
    assert figure(visitor.frame, "landed") == str(CHUNKS)
    assert figure(visitor.frame, "lag") == "0"
    assert figure(visitor.frame, "detections") == str(total)
    assert figure(visitor.frame, "files") == str(-(-total // RULES["detections_per_file"]))
    for plot in visitor.frame.locator(".plot").all():
        expect(plot.locator(".main-svg").first).to_be_visible()


def test_a_chunk_shows_its_facts_and_leads_to_its_run(visitor: Visitor) -> None:
    frame = visitor.look_at("chunks", FEED)
    expect(frame.locator(".square[data-chunk].applied")).to_have_count(CHUNKS)
    frame.locator("#chunk-3").hover()
    facts = frame.locator("#facts")
    expect(facts).to_contain_text("Chunk 3: applied; 500 rows, 0 rejected;")
    expect(facts).to_contain_text(f"blob chunks/{FEED}/chunk-000003.csv")
    frame.locator("#chunk-3").focus()
    visitor.page.keyboard.press("ArrowRight")
    expect(facts).to_contain_text("Chunk 4: applied")
    frame.locator("#chunk-3").click()
    visitor.page.wait_for_url("**/dags/transaction_patterns/runs/**")
    expect(visitor.page.get_by_text("commit_batch").or_(visitor.page.get_by_text("Commit the batch")).first).to_be_visible()


def test_detections_are_filtered_sorted_explained_and_exported(visitor: Visitor, small: tuple[Path, Path]) -> None:
    frame = visitor.look_at("detections", FEED)
    frame.get_by_label(re.compile("^Pattern")).select_option("PatId2")
    frame.get_by_label(re.compile("^Order")).select_option("merchant")
    frame.get_by_role("button", name="Show").click()
    wanted = sorted((merchant, customer) for _, pattern, _, customer, merchant in found(small) if pattern == "PatId2")
    expect(frame.locator("#count")).to_have_text(f"{len(wanted)} detections")
    rows = [[cell.inner_text() for cell in row.locator("td").all()] for row in frame.locator("tbody tr").all()]
    assert [(row[2], row[3]) for row in rows] == wanted[:100]
    for row in rows:
        told = re.fullmatch(r"([\d,]+) transactions, average ([\d.]+) < 40", row[4])
        assert told, row[4]
        assert int(told[1]) >= RULES["child_min_transactions"]
        assert float(told[2]) < RULES["child_max_average"]
    with visitor.page.expect_download() as download:
        frame.get_by_role("link", name="Export as CSV").click()
    lines = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text())))
    assert [(line["MerchantId"], line["customerName"]) for line in lines] == wanted
    assert [line["evidence"] for line in lines[:100]] == [row[4] for row in rows]


def test_one_customer_and_a_range_of_chunks(visitor: Visitor, small: tuple[Path, Path]) -> None:
    chunk, _, _, customer, _ = next(each for each in found(small) if each[1] == "PatId2")
    frame = visitor.look_at("detections", FEED)
    frame.get_by_label("Customer", exact=True).fill(customer)
    frame.get_by_label("From chunk").fill(str(chunk))
    frame.get_by_label("to", exact=True).fill(str(chunk))
    frame.get_by_role("button", name="Show").click()
    wanted = [each for each in found(small) if each[3] == customer and each[0] == chunk]
    expect(frame.locator("tbody tr")).to_have_count(len(wanted))
    frame.get_by_label("Customer", exact=True).fill("nobody")
    frame.get_by_role("button", name="Show").click()
    expect(frame.get_by_text("No detection fits these filters.")).to_be_visible()


def test_the_zip_holds_what_blob_storage_has(visitor: Visitor, airflow: Stack) -> None:
    frame = visitor.look_at("files", FEED)
    with visitor.page.expect_download() as download:
        frame.get_by_role("link", name="Download all as zip").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        got = {name: archive.read(name) for name in archive.namelist()}
    addresses = airflow.addresses
    with ContainerClient.from_connection_string(addresses.blob_connection_string, addresses.blob_container) as container:
        there = {
            f"detections/{blob.name.rpartition('/')[2]}": container.download_blob(blob.name).readall()
            for blob in container.list_blobs(name_starts_with=f"detections/{FEED}/")
        }
    assert got == there
    assert len(got) > 1
    with visitor.page.expect_download() as download:
        frame.get_by_role("link", name="Download file 1", exact=True).click()
    assert Path(download.value.path()).read_bytes() == there["detections/detections-000001.csv"]


def test_merchants_show_what_is_about_to_fire(visitor: Visitor) -> None:
    frame = visitor.look_at("merchants", FEED)
    expect(frame.get_by_text(f"After chunk {CHUNKS}.")).to_be_visible()
    rows = frame.locator("tbody tr")
    counts = [int(row.locator(".bar").inner_text().replace(",", "")) for row in rows.all()]
    assert sum(counts) == 3_000
    assert counts == sorted(counts, reverse=True)
    assert "over" in (rows.first.locator(".bar").get_attribute("class") or "")
    expect(rows.first.locator("td").nth(3)).to_have_text(re.compile("≥ [0-9]+"))


def test_a_range_of_squares_becomes_a_backfill(
    visitor: Visitor, api: AirflowApi, airflow: Stack, start_feed: Callable[..., str], small: tuple[Path, Path]
) -> None:
    start_feed(RANGED, small, interval_seconds=0, first_chunk=1, last_chunk=2)
    frame = visitor.look_at("chunks", RANGED) if _known(airflow, RANGED) else visitor.frame
    expect(frame.locator(".square[data-chunk].applied")).to_have_count(2, timeout=FEED_SECONDS)
    last = frame.locator("#chunk-4").bounding_box()
    first = frame.locator("#chunk-3").bounding_box()
    assert first
    assert last
    visitor.page.mouse.move(first["x"] + 5, first["y"] + 5)
    visitor.page.mouse.down()
    visitor.page.mouse.move(last["x"] + 5, last["y"] + 5, steps=5)
    visitor.page.mouse.up()
    expect(frame.locator(".square.selected")).to_have_count(2)
    frame.get_by_role("button", name="Backfill these…").click()
    dialog = frame.get_by_role("dialog")
    expect(dialog.get_by_label("Feed")).to_have_value(RANGED)
    expect(dialog.get_by_label("First chunk")).to_have_value("3")
    expect(dialog.get_by_label("Last chunk")).to_have_value("4")
    expect(dialog.get_by_label("Note")).to_have_value(f"chunks 3-4 of feed {RANGED}")
    dialog.get_by_role("button", name="Trigger").click()
    run = frame.locator("#triggered a")
    run_id = run.inner_text()
    asked = api._call("GET", f"/dags/transaction_patterns/dagRuns/{run_id}")
    assert asked["conf"] == {"feed": RANGED, "first_chunk": 3, "last_chunk": 4}
    expect(frame.locator(".square[data-chunk].applied")).to_have_count(4, timeout=FEED_SECONDS)
    run.click()
    visitor.page.wait_for_url(f"**/dags/transaction_patterns/runs/{run_id.replace(':', '*').replace('+', '*')}**")


def _known(airflow: Stack, feed: str) -> bool:
    """Wait until the ledger has the feed."""

    def there() -> bool:
        with psycopg.connect(airflow.addresses.ledger_dsn) as connection:
            return connection.execute("select from ledger.feed where feed = %s", [feed]).fetchone() is not None

    return within(120, there)


def test_impossible_ranges_are_refused_in_words(visitor: Visitor) -> None:
    frame = visitor.look_at("chunks", FEED)
    frame.locator("#first").fill("5")
    frame.locator("#last").fill("3")
    frame.get_by_role("button", name="Backfill these…").click()
    assert frame.locator("#last").evaluate("field => field.validationMessage") == "The last chunk is before the first one."
    expect(frame.get_by_role("dialog")).to_be_hidden()
    frame.locator("#last").fill("7")
    frame.get_by_role("button", name="Backfill these…").click()
    dialog = frame.get_by_role("dialog")
    dialog.get_by_label("First chunk").fill("9")
    dialog.get_by_role("button", name="Trigger").click()
    expect(dialog.get_by_role("alert")).to_have_text("First chunk 9 is behind last chunk 7.")
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_be_hidden()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_every_view_fits_and_can_be_read_by_everybody(browser: Browser, airflow: Stack, width: int, theme: str) -> None:
    """At the width of a screen and of a phone, light and dark: no sideways scrolling, and nothing that axe objects to."""
    with visiting(browser, airflow, viewport={"width": width, "height": 844}) as visitor:
        visitor.page.evaluate(f"localStorage.setItem('theme', '{theme}')")
        for view in VIEWS:
            visitor.page.goto(f"{visitor.base_url}/transaction-patterns/{view}?feed={FEED}")
            expect(visitor.page.locator("html")).to_have_attribute("data-theme", theme)
            if not view:
                expect(visitor.page.locator(".plot .main-svg").first).to_be_visible()
            assert visitor.page.evaluate("document.documentElement.scrollWidth") <= width
            results = Axe().run(visitor.page)
            assert results.violations_count == 0, f"{view or 'overview'}:\n{results.generate_report()}"


def test_the_page_takes_over_the_theme_of_airflow_around_it(visitor: Visitor) -> None:
    frame = visitor.look_at("", FEED)
    visitor.page.evaluate("localStorage.setItem('theme', 'dark')")
    expect(frame.locator("html")).to_have_attribute("data-theme", "dark")
