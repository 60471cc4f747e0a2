"""Take the pictures of the README: a feed of the real size, from the trigger form to the download, in a real Airflow.

``make pictures`` writes ``page-*.png``, ``trigger-form.png`` and ``walkthrough.webp`` into ``docs/images``.
"""

from __future__ import annotations

import io
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image
from playwright.sync_api import BrowserContext, Page, ViewportSize, expect, sync_playwright

from local.config import CHECKOUT
from local.demo import ROWS
from local.generate import generate
from local.stack import Stack
from tests.browser.conftest import SECONDS, Visitor, chromium, log_in

IMAGES = CHECKOUT / "docs" / "images"
SIZE = ViewportSize(width=1280, height=860)
MOST_BYTES = 5_000_000
_FEED_SECONDS = 400
_FRAME_MS = 900


class Film:
    """Frames of a walkthrough, one after the other."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._frames: list[tuple[Image.Image, int]] = []

    def frame(self, milliseconds: int = _FRAME_MS) -> None:
        """Keep what the page looks like now, shown for so long."""
        picture = Image.open(io.BytesIO(self._page.screenshot())).convert("RGB").resize((960, 645), Image.Resampling.LANCZOS)
        self._frames.append((picture, milliseconds))

    def save(self, path: Path) -> None:
        """Write an animated image."""
        first, *others = [picture for picture, _ in self._frames]
        durations = [milliseconds for _, milliseconds in self._frames]
        first.save(path, save_all=True, append_images=others, duration=durations, loop=0, quality=55, method=6)
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise RuntimeError(f"{path} has {size:,} bytes; at most {MOST_BYTES:,} are wanted: take fewer frames")
        print(f"{path.relative_to(CHECKOUT)}: {len(self._frames)} frames, {size:,} bytes")


def main() -> int:
    """Command line of ``make pictures``."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with Stack(say=print).running() as stack, sync_playwright() as playwright:
        generate(
            stack.addresses.drive_root / "transactions.csv",
            stack.addresses.drive_root / "CustomerImportance.csv",
            rows=ROWS,
            seed=1,
        )
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        visitor = log_in(browser.new_context(viewport=SIZE, accept_downloads=True), stack)
        feed = f"bank-{time.strftime('%Y%m%d-%H%M')}"
        film = Film(visitor.page)
        _trigger(visitor, film, feed)
        _watch(visitor, film)
        _look_around(visitor, film, feed)
        film.save(IMAGES / "walkthrough.webp")
        _other_screens(browser.new_context(viewport={"width": 390, "height": 844}, color_scheme="dark"), stack, feed)
        browser.close()
    return 0


def _trigger(visitor: Visitor, film: Film, feed: str) -> None:
    page = visitor.page
    page.goto(f"{visitor.base_url}/dags/transaction_patterns")
    page.get_by_test_id("trigger-dag-button").first.click()
    page.get_by_text("The feed, and what this run does").click()  # Airflow's form begins with all sections closed
    field = page.locator("#element_feed")
    field.wait_for()
    film.frame()
    field.fill(feed)
    page.wait_for_timeout(500)
    film.frame(1500)
    page.screenshot(path=IMAGES / "trigger-form.png")
    page.get_by_test_id("trigger-dag-submit").click()
    page.wait_for_timeout(1500)
    film.frame()


def _watch(visitor: Visitor, film: Film) -> None:
    """Let the overview refresh itself until the feed is done."""
    page = visitor.page
    page.goto(f"{visitor.base_url}/plugin/transaction-patterns")
    visitor.frame.get_by_text("Transaction patterns").first.wait_for()  # else the first picture is an empty one
    deadline = time.monotonic() + _FEED_SECONDS
    done = visitor.frame.get_by_text("Done.", exact=True)
    number = 0
    while not done.is_visible():
        if time.monotonic() > deadline:
            raise RuntimeError(f"the feed is not done after {_FEED_SECONDS} s")
        number += 1
        if number % 5 == 1:
            film.frame(500)
        page.wait_for_timeout(1000)
    film.frame(1500)
    page.screenshot(path=IMAGES / "page-overview.png")


def _look_around(visitor: Visitor, film: Film, feed: str) -> None:
    page = visitor.page
    frame = visitor.look_at("chunks", feed)
    frame.locator("#chunk-31").hover()
    film.frame(1500)
    start, end = frame.locator("#chunk-31").bounding_box(), frame.locator("#chunk-40").bounding_box()
    if start is None or end is None:
        raise RuntimeError("chunks 31 and 40 are not on the page")
    page.mouse.move(start["x"] + 9, start["y"] + 9)
    page.mouse.down()
    page.mouse.move(end["x"] + 9, end["y"] + 9, steps=10)
    page.mouse.up()
    page.screenshot(path=IMAGES / "page-chunks.png")
    film.frame(1500)
    frame.get_by_role("button", name="Backfill these…").click()
    film.frame(1500)
    frame.get_by_role("button", name="Cancel").click()
    for view in ("detections", "merchants", "files"):
        frame = visitor.look_at(view, feed)
        expect(frame.locator("tbody tr").first).to_be_visible()
        film.frame(2000)
        if view != "files":
            page.screenshot(path=IMAGES / f"page-{view}.png")
    with page.expect_download() as download, tempfile.TemporaryDirectory() as folder:
        frame.get_by_role("link", name="Download all as zip").click()
        download.value.save_as(Path(folder) / "feed.zip")
    film.frame(1500)


def _other_screens(context: BrowserContext, stack: Stack, feed: str) -> None:
    """Take the overview on a phone, in the dark."""
    visitor = log_in(context, stack)
    visitor.page.evaluate("localStorage.setItem('theme', 'dark')")
    visitor.page.goto(f"{visitor.base_url}/transaction-patterns/?feed={feed}")
    expect(visitor.page.locator(".plot .main-svg").first).to_be_visible(timeout=30 * SECONDS)
    visitor.page.screenshot(path=IMAGES / "page-phone-dark.png")


if __name__ == "__main__":
    sys.exit(main())
