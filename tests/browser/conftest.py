"""A real browser, logged in to the tests' Airflow. Whatever a test does, the page must log no error and talk to no other host."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, FrameLocator, Page, Response, sync_playwright

from local.airflow_api import AirflowApi
from local.drive_standin.tree import DriveTree
from local.stack import Stack
from tests.conftest import RULES
from tests.e2e.conftest import airflow

__all__ = ["airflow"]

SECONDS = 1000
PAGE = "/plugin/transaction-patterns/transaction-patterns/"
# Airflow's own frame for pages of plugins; the browser says so each time.
_OF_AIRFLOW = ("An iframe which has both allow-scripts and allow-same-origin",)


@dataclass
class Visitor:
    """Somebody who is logged in, with what the browser complained about and asked other hosts for."""

    page: Page
    base_url: str
    errors: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)

    @property
    def frame(self) -> FrameLocator:
        """The page "Transaction patterns", in Airflow's frame."""
        return self.page.frame_locator("iframe[title='Transaction patterns']")

    def look_at(self, view: str, feed: str, **more: Any) -> FrameLocator:
        """Open a view of a feed inside Airflow."""
        query = "&".join(f"{name}={value}" for name, value in ({"feed": feed} | more).items())
        self.page.goto(f"{self.base_url}{PAGE}{view}?{query}")
        self.frame.locator("#content").wait_for()
        return self.frame

    def answered(self, response: Response) -> None:
        if response.status >= 400:
            self.errors.append(f"{response.status} {response.url}")

    def heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(_OF_AIRFLOW):
            self.errors.append(message.text)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])  # root may not use its sandbox
        yield browser
        browser.close()


def chromium() -> str:
    """Path of the browser: ``CHROMIUM``, or where Debian's package puts it."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if not path:
        raise RuntimeError("chromium is not installed; run: local/setup.sh browser")
    return path


def log_in(context: BrowserContext, stack: Stack) -> Visitor:
    """Open a page, and log in to Airflow as a person does."""
    addresses = stack.addresses
    visitor = Visitor(context.new_page(), addresses.airflow_url)
    page = visitor.page
    page.set_default_timeout(30 * SECONDS)
    page.goto(f"{addresses.airflow_url}/auth/login")
    page.fill("input[name=username]", addresses.airflow_user)
    page.fill("input[name=password]", addresses.airflow_password)
    page.click("button[type=submit]")
    page.wait_for_url(f"{addresses.airflow_url}/")
    return visitor


@contextmanager
def visiting(browser: Browser, stack: Stack, **context: Any) -> Iterator[Visitor]:
    """Log somebody in; when they leave, nothing may have gone wrong in the browser."""
    with browser.new_context(**{"viewport": {"width": 1280, "height": 900}} | context) as opened:
        visitor = log_in(opened, stack)
        page = visitor.page
        page.on("console", visitor.heard)
        page.on("response", visitor.answered)
        page.on("pageerror", lambda error: visitor.errors.append(str(error)))
        here = urlsplit(visitor.base_url).netloc
        page.on("request", lambda request: _note_host(visitor, request.url, here))
        yield visitor
    assert visitor.errors == []
    assert visitor.elsewhere == []


def _note_host(visitor: Visitor, url: str, here: str) -> None:
    parts = urlsplit(url)
    if parts.scheme in ("http", "https", "ws", "wss") and parts.netloc != here:
        visitor.elsewhere.append(url)


@pytest.fixture
def visitor(browser: Browser, airflow: Stack) -> Iterator[Visitor]:
    """Somebody at a screen of 1280 x 900."""
    with visiting(browser, airflow, accept_downloads=True) as visitor:
        yield visitor


@pytest.fixture(scope="session")
def api(airflow: Stack) -> Iterator[AirflowApi]:
    """Airflow's REST API."""
    with airflow.airflow_client() as client:
        api = AirflowApi(client)
        api.unpause()
        yield api


@pytest.fixture(scope="session")
def start_feed(airflow: Stack, api: AirflowApi) -> Callable[..., str]:
    """Put files on Drive and trigger a feed of them: ``start_feed(name, files, **conf)``; give the run's id."""

    def start(feed: str, files: tuple[Path, Path], **conf: Any) -> str:
        folder = airflow.addresses.drive_root / feed
        folder.mkdir(exist_ok=True)
        (folder / "transactions.csv").write_bytes(files[0].read_bytes())
        (folder / "CustomerImportance.csv").write_bytes(files[1].read_bytes())
        folder_id = next(node.id for node in DriveTree(airflow.addresses.drive_root).nodes() if node.path == folder)
        return api.trigger({"feed": feed, "folder_id": folder_id} | RULES | conf)

    return start
