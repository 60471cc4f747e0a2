"""What the page gives as files: detection files, all output as one zip, detections as CSV, its own CSS and JavaScript."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.resources import files as resource_files
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import FileResponse, Response, StreamingResponse

from feed_page.detections import Filters, all_detections
from feed_page.feeds import UnknownFeedError
from feed_page.reading import open_reader
from feed_page.rendering import FOLDER
from feeds.csv_lines import render_csv
from feeds.evidence import explain
from feeds.ledger import Ledger, Row
from feeds.output_zip import zip_outputs

router = APIRouter()

_CSV_COLUMNS = (
    "ordinal", "chunk", "patternId", "ActionType", "customerName", "MerchantId", "detectedAt", "evidence", "stillHolds", "file",
)  # fmt: skip
_CSV_PAGE = 5_000
_ONE_DAY = {"Cache-Control": "private, max-age=86400"}


@cache
def static_files() -> dict[str, Path]:
    """Give the files that pages load, by name: our own, and Plotly's JavaScript from its Python package."""
    own = {path.name: path for path in (FOLDER / "static").iterdir()}
    return own | {"plotly.min.js": Path(str(resource_files("plotly") / "package_data" / "plotly.min.js"))}


@router.get("/static/{name}")
def static(name: str) -> FileResponse:
    """Send a file that pages load. Their addresses change with their content, so a browser may keep them."""
    if (path := static_files().get(name)) is None:
        raise HTTPException(404, f"There is no file {name!r}.")
    return FileResponse(path, headers=_ONE_DAY)


@router.get("/files/{feed}.zip")
def download_all(feed: str) -> StreamingResponse:
    """Send all output files of a feed as one zip, while it is being made: detection files, and rejected rows."""
    from feeds.blobs import Blobs

    with open_reader() as ledger:
        content = zip_outputs(ledger, _feed(ledger, feed)["feed_id"], Blobs().read)
    return StreamingResponse(content, media_type="application/zip", headers=_attachment(f"{feed}.zip"))


@router.get("/files/{feed}/{file_number}.csv")
def download_file(feed: str, file_number: int) -> Response:
    """Send one detection file, byte for byte."""
    from feeds.blobs import Blobs

    with open_reader() as ledger:
        file = ledger.row("page_file", feed_id=_feed(ledger, feed)["feed_id"], file_number=file_number)
    if file is None:
        raise HTTPException(404, f"Feed {feed} has no detection file {file_number}, or it has not been written yet.")
    name = file["blob_name"].rpartition("/")[2]
    return Response(Blobs().read(file["blob_name"]), media_type="text/csv; charset=utf-8", headers=_attachment(name))


@router.get("/detections.csv")
def download_detections(filters: Annotated[Filters, Query()]) -> StreamingResponse:
    """Send the detections that the page shows, on all of its pages, as CSV."""
    with open_reader() as ledger:
        feed = _feed(ledger, filters.feed or "")
    return StreamingResponse(
        _csv(feed["feed_id"], filters),
        media_type="text/csv; charset=utf-8",
        headers=_attachment(f"detections-{feed['feed']}.csv"),
    )


def _csv(feed_id: int, filters: Filters) -> Iterator[bytes]:
    yield render_csv([_CSV_COLUMNS])
    with open_reader() as ledger:
        rows: list[tuple[Any, ...]] = []
        for row in all_detections(ledger, feed_id, filters, _CSV_PAGE):
            rows.append(_values(row))
            if len(rows) == _CSV_PAGE:
                yield render_csv(rows)
                rows = []
        yield render_csv(rows)


def _values(row: Row) -> tuple[Any, ...]:
    holds = {True: "yes", False: "no", None: ""}[row["still_holds"]]
    return (
        row["ordinal"], row["chunk"], row["pattern_id"], row["action_type"], row["customer"], row["merchant"],
        row["detected_at"].isoformat(timespec="seconds"), explain(row["pattern_id"], row["evidence"]), holds,
        row["file_number"] or "",
    )  # fmt: skip


def _feed(ledger: Ledger, name: str) -> Row:
    if (row := ledger.row("select_feed", feed=name)) is None:
        raise UnknownFeedError(f"The ledger has no feed {name!r}.")
    return row


def _attachment(name: str) -> dict[str, str]:
    # A feed's name has small letters, digits and dashes: nothing that would end the quotes.
    return {"Content-Disposition": f'attachment; filename="{name}"'}
