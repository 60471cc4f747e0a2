"""The page's application: who may see it, what happens when the ledger is away, and the routes of the other modules."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import cache

import psycopg
from airflow.api_fastapi.core_api.security import requires_access_dag
from airflow.sdk.exceptions import AirflowNotFoundException
from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import HTMLResponse

from feed_page import downloads, views
from feed_page.feeds import UnknownFeedError
from feed_page.rendering import render

log = logging.getLogger(__name__)

DAG_ID = "transaction_patterns"

_HEADERS = {
    # Charts set style attributes, and images of themselves for the download button; nothing comes from, or goes to, another host.
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "frame-ancestors 'self'; form-action 'self'; base-uri 'none'; object-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


@cache
def page_app() -> FastAPI:
    """Build the application. Every route of it, files included, asks for permission to see the DAG: 401 or 403 otherwise."""
    allowed = Depends(requires_access_dag("GET", param_dag_id=DAG_ID))
    app = FastAPI(title="Transaction patterns", docs_url=None, redoc_url=None, openapi_url=None, dependencies=[allowed])
    for module in (views, downloads):
        app.include_router(module.router)
    app.middleware("http")(_with_headers)
    app.exception_handler(UnknownFeedError)(_unknown_feed)
    app.exception_handler(psycopg.errors.UndefinedTable)(_no_ledger_yet)
    app.exception_handler(psycopg.errors.InvalidSchemaName)(_no_ledger_yet)
    app.exception_handler(psycopg.errors.QueryCanceled)(_too_slow)
    app.exception_handler(psycopg.OperationalError)(_ledger_away)
    app.exception_handler(psycopg.DataError)(_nonsense)
    app.exception_handler(AirflowNotFoundException)(_no_connection)
    return app


async def _with_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await call_next(request)
    response.headers.update({name: value for name, value in _HEADERS.items() if name not in response.headers})
    if "cache-control" not in response.headers:
        response.headers["Cache-Control"] = "no-store"
    return response


def _unknown_feed(request: Request, error: Exception) -> HTMLResponse:
    return render(request, "message.html", status=404, title="There is no such feed", text=str(error))


def _no_ledger_yet(request: Request, _error: Exception) -> HTMLResponse:
    return render(request, "empty.html")


def _too_slow(request: Request, error: Exception) -> HTMLResponse:
    log.warning("A page was given up: %s", error)
    text = "The ledger took longer than 15 seconds to answer. Choose a smaller range, or ask who runs its PostgreSQL."
    return render(request, "message.html", status=503, title="That took too long", text=text)


def _ledger_away(request: Request, error: Exception) -> HTMLResponse:
    log.warning("The ledger does not answer: %s", error)
    text = (
        "PostgreSQL behind the connection ledger_reader (or ledger, where that is missing) does not answer, or refuses it. "
        "The reason is in the api-server's log. This page looks again every few seconds."
    )
    return render(request, "message.html", status=503, title="The ledger does not answer", text=text)


def _nonsense(request: Request, error: Exception) -> HTMLResponse:
    said = str(error).partition("\n")[0]  # what follows is about the statement
    text = f"PostgreSQL cannot take what the address asks for: {said}. Correct the number or the name in it."
    return render(request, "message.html", status=422, title="The address asks for what cannot be", text=text)


def _no_connection(request: Request, error: Exception) -> HTMLResponse:
    text = f"{error}. The README lists the connections that Airflow needs, under On the cloud."
    return render(request, "message.html", status=503, title="Airflow lacks a connection", text=text)
