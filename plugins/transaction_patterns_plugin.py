"""Registers the page "Transaction patterns" with Airflow; every process of Airflow imports this file, so it imports little."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from airflow.configuration import conf
from airflow.plugins_manager import AirflowPlugin

NAME = "Transaction patterns"
PREFIX = "/transaction-patterns"


_ROOT = urlsplit(conf.get("api", "base_url", fallback="")).path.rstrip("/") + PREFIX


class _PageApp:
    """The page's ASGI application, imported at its first request: a task of Airflow imports plugins too, and needs no page."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        from feed_page.app import page_app

        await page_app()(scope, receive, send)


class TransactionPatternsPlugin(AirflowPlugin):
    """The page, in the navigation of Airflow's UI."""

    name = "transaction_patterns"
    fastapi_apps = [{"app": _PageApp(), "url_prefix": PREFIX, "name": NAME}]  # noqa: RUF012 -- Airflow's interface
    external_views = [  # noqa: RUF012 -- Airflow's interface
        {
            "name": NAME,
            "href": f"{_ROOT}/",
            "icon": f"{_ROOT}/static/icon.svg",
            "destination": "nav",
            "url_route": "transaction-patterns",
        }
    ]
