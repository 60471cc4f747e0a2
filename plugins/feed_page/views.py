"""The views of the page, one route each. A browser fetches them again while the feed runs."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from feed_page import figures
from feed_page.chunks import page_of_chunks
from feed_page.detections import Filters, page_of_detections
from feed_page.feeds import FeedState, feed_state
from feed_page.reading import open_reader
from feed_page.rendering import render
from feeds.ledger import Ledger

router = APIRouter(default_response_class=HTMLResponse)

FeedName = Annotated[str | None, Query(max_length=63)]

_MOVING_SECONDS = 2
_RESTING_SECONDS = 15
_BATCHES = 60
_FILES = 100
_MERCHANTS = 25


def _page(request: Request, view: str, state: FeedState, **values: Any) -> HTMLResponse:
    refresh = _MOVING_SECONDS if state.overview.is_moving else _RESTING_SECONDS
    return render(
        request, f"{view or 'overview'}.html", view=view, feed=state.row["feed"], names=state.names, state=state,
        o=state.overview, refresh=refresh, **values,
    )  # fmt: skip


@router.get("/")
def overview(request: Request, feed: FeedName = None) -> HTMLResponse:
    """Show how far the feed has got, and how its time was spent."""
    with open_reader() as ledger:
        if (state := feed_state(ledger, feed)) is None:
            return render(request, "empty.html")
        return _page(request, "", state, **_charts(ledger, state))


def _charts(ledger: Ledger, state: FeedState) -> dict[str, Any]:
    step = figures.stretch_length(state.overview.applied)
    points = ledger.rows("page_pace", feed_id=state.feed_id, points=figures.POINTS)
    batches = ledger.rows("page_batches", feed_id=state.feed_id, batches=_BATCHES)
    found = ledger.rows("page_found", feed_id=state.feed_id, applied=state.overview.applied, step=step)
    return {
        "pace": figures.pace(state.row, points),
        "found": figures.found(found, step, state.overview.applied),
        "by_pattern": figures.totals(found),
        "batches": figures.batches(batches),
        "last_batch": batches[-1] if batches else None,
        "last_parts": figures.batch_parts(batches[-1]) if batches else {},
    }


@router.get("/chunks")
def chunks(request: Request, feed: FeedName = None, at: Annotated[int | None, Query(ge=1)] = None) -> HTMLResponse:
    """Show every chunk as a square: what is due, landed, applied, failed, and where rows were rejected."""
    with open_reader() as ledger:
        if (state := feed_state(ledger, feed)) is None:
            return render(request, "empty.html")
        return _page(request, "chunks", state, page=page_of_chunks(ledger, state, at))


@router.get("/detections")
def detections(request: Request, filters: Annotated[Filters, Query()]) -> HTMLResponse:
    """Show detections, filtered and sorted, a hundred at a time."""
    with open_reader() as ledger:
        if (state := feed_state(ledger, filters.feed)) is None:
            return render(request, "empty.html")
        return _page(
            request, "detections", state, filters=filters, page=page_of_detections(ledger, state.feed_id, filters),
            patterns=ledger.rows("page_patterns", feed_id=state.feed_id),
        )  # fmt: skip


@router.get("/files")
def files(request: Request, feed: FeedName = None, before: Annotated[int | None, Query(ge=1)] = None) -> HTMLResponse:
    """Show the detection files, the newest first."""
    with open_reader() as ledger:
        if (state := feed_state(ledger, feed)) is None:
            return render(request, "empty.html")
        rows = ledger.rows("page_files", feed_id=state.feed_id, before=before, limit=_FILES + 1)
        return _page(request, "files", state, files=rows[:_FILES], more=len(rows) > _FILES, before=before)


@router.get("/merchants")
def merchants(request: Request, feed: FeedName = None, offset: Annotated[int, Query(ge=0)] = 0) -> HTMLResponse:
    """Show the merchants, the largest first, against the lines of the rules."""
    with open_reader() as ledger:
        if (state := feed_state(ledger, feed)) is None:
            return render(request, "empty.html")
        rows = ledger.rows("page_merchants", feed_id=state.feed_id, offset=offset, limit=_MERCHANTS + 1)
        return _page(
            request,
            "merchants",
            state,
            merchants=rows[:_MERCHANTS],
            more=len(rows) > _MERCHANTS,
            offset=offset,
            length=_MERCHANTS,
        )
