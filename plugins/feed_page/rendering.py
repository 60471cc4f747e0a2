"""Renders the templates; all text from the data is escaped there."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from feeds.evidence import explain

FOLDER = Path(__file__).resolve().parent
PREFIX = "/transaction-patterns"
VIEWS = {"": "Overview", "chunks": "Chunks", "detections": "Detections", "files": "Files", "merchants": "Merchants"}


def render(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """Render a template as a page, with what all of them need: addresses, the feed's name, the views."""
    root = request.scope.get("root_path", "").rstrip("/")
    values = {"feed": None, "names": [], "view": "", "refresh": 5} | values
    html = (
        _environment()
        .get_template(template)
        .render(values, root=root, airflow=root.removesuffix(PREFIX), views=VIEWS, version=static_version())
    )
    return HTMLResponse(html, status_code=status)


@cache
def static_version() -> str:
    """Give what changes when one of the page's own files changes: a browser keeps them under it."""
    content = b"".join(path.read_bytes() for path in sorted((FOLDER / "static").iterdir()))
    return hashlib.sha256(content).hexdigest()[:12]


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "moment": moment, "duration": duration, "size": size, "figure": figure}
    environment.globals |= {"query": query, "segment": segment, "explain": explain}
    return environment


def number(value: int | Decimal | float) -> str:
    """Format a number with separators between thousands."""
    return f"{value:,}"


def moment(value: datetime | None) -> Markup:
    """Format a moment; the browser puts it into its own time zone."""
    if value is None:
        return Markup("")
    return Markup('<time datetime="{}">{:%Y-%m-%d %H:%M:%S} UTC</time>').format(value.isoformat(), value)


def duration(seconds: float) -> str:
    """Format a number of seconds: ``7 s``, ``3 min 5 s``, ``2 h 10 min``, ``3 d 4 h``."""
    for unit, length, smaller, part in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if seconds >= length:
            count, rest = divmod(int(seconds), length)
            return f"{count} {unit} {rest // part} {smaller}" if rest // part else f"{count} {unit}"
    return f"{seconds:.0f} s"


def size(value: int) -> str:
    """Format a number of bytes."""
    return f"{value / 1000:,.1f} kB" if value >= 1000 else f"{value} bytes"


def figure(value: dict[str, Any]) -> str:
    """Give a chart as the text that ``page.js`` reads."""
    return json.dumps(value, separators=(",", ":"))


def query(**values: Any) -> str:
    """Give the query part of an address, without what is empty."""
    given = {name: value for name, value in values.items() if value not in (None, "")}
    return f"?{urlencode(given)}" if given else ""


def segment(value: str) -> str:
    """Escape text, such as a run's id, for one step of an address's path."""
    return quote(value, safe="")
