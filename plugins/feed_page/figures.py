"""The charts as Plotly figures: plain dictionaries, made of rows of the ledger. Colours and fonts are the page's matter."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from feeds.ledger import Row

Figure = dict[str, Any]

PATTERNS = ("PatId1", "PatId2", "PatId3")
PARTS = ("landing", "waiting", "detecting", "committing", "exporting")
"""What the time of a batch is spent on, in this order."""

POINTS = 400
"""How many points a line has at most."""


def pace(feed: Row, points: Sequence[Row]) -> Figure:
    """Chunks landed and applied over time, and the line of the ideal pace.

    Parameters
    ----------
    feed
        Row of ``select_feed``.
    points
        Rows of ``page_pace``.
    """
    traces = [
        _line("landed", "landed", [p["landed_at"] for p in points], [p["chunk"] for p in points]),
        _line("applied", "applied", *_applied_steps(points)) | {"line": {"shape": "hv", "width": 2}},
    ]
    interval = timedelta(seconds=float(feed["interval_seconds"]))
    if interval and points:
        last = points[-1]["chunk"]
        due = [feed["started_at"], feed["started_at"] + (last - 1) * interval]
        traces.append(_line("due", "ideal pace", due, [1, last]) | {"line": {"dash": "dot", "width": 1.5}})
    return _figure(traces, x="", y="chunks")


def _applied_steps(points: Sequence[Row]) -> tuple[list[datetime], list[int]]:
    """Of the points that one batch applied, which is at one moment, the last."""
    last = {p["applied_at"]: p["chunk"] for p in points if p["applied_at"] is not None}
    return list(last), list(last.values())


def stretch_length(chunks: int) -> int:
    """How many chunks are counted together, so that the line has at most some hundred points."""
    return max(1, -(-chunks // POINTS))


def found(rows: Iterable[Row], step: int, applied: int) -> Figure:
    """Cumulative detections per pattern over the chunk number.

    Parameters
    ----------
    rows
        Rows of ``page_found``.
    step
        Chunks in a stretch.
    applied
        The last applied chunk, up to which the lines go.
    """
    lines: dict[str, tuple[list[int], list[int]]] = {name: ([0], [0]) for name in PATTERNS}
    for row in rows:
        chunks, totals = lines.setdefault(row["pattern_id"], ([0], [0]))
        chunks.append(min((row["stretch"] + 1) * step, max(applied, 1)))
        totals.append(totals[-1] + row["found"])
    traces = []
    for name, (chunks, totals) in lines.items():
        if chunks[-1] < applied:
            chunks.append(applied)
            totals.append(totals[-1])
        traces.append(_line(name, name, chunks, totals) | {"line": {"shape": "hv", "width": 2}})
    return _figure(traces, x="chunk", y="detections")


def totals(rows: Iterable[Row]) -> dict[str, int]:
    """Count the detections of each pattern, of the rows of ``page_found``."""
    sums: dict[str, int] = {}
    for row in rows:
        sums[row["pattern_id"]] = sums.get(row["pattern_id"], 0) + row["found"]
    return sums


def batches(rows: Sequence[Row]) -> Figure:
    """How long each of the last batches took, as a stack of its parts.

    Parameters
    ----------
    rows
        Rows of ``page_batches``.
    """
    labels = [_range(row) for row in rows]
    seconds = [batch_parts(row) for row in rows]
    traces = [
        {
            "type": "bar",
            "meta": part,
            "name": part,
            "x": labels,
            "y": [each[part] for each in seconds],
            "hovertemplate": "%{y:.2f} s " + part + "<extra></extra>",
        }
        for part in PARTS
    ]
    figure = _figure(traces, x="chunks of the batch", y="seconds")
    figure["layout"] |= {"barmode": "stack", "hovermode": "x unified"}
    figure["layout"]["xaxis"] |= {"type": "category", "nticks": 12}
    return figure


def batch_parts(batch: Row) -> dict[str, float | None]:
    """Seconds that a batch spent on each part; ``None`` where the ledger did not keep the moment.

    *landing* is from its first to its last chunk, *waiting* until it was opened, *detecting* until its job had staged what it
    found, *committing* until that was applied, *exporting* until its run had written the files that were due.
    """
    moments = [batch[f"{name}_at"] for name in ("first_landed", "last_landed", "opened", "staged", "applied", "exported")]
    return {
        part: None if start is None or end is None else max(0.0, round((end - start).total_seconds(), 3))
        for part, start, end in zip(PARTS, moments, moments[1:], strict=False)
    }


def _range(row: Row) -> str:
    first, last = row["first_chunk"], row["last_chunk"]
    return f"{first}" if first == last else f"{first}-{last}"


def _line(key: str, name: str, x: Sequence[Any], y: Sequence[Any]) -> dict[str, Any]:
    values = [each.isoformat() if isinstance(each, datetime) else each for each in x]
    mode = "lines+markers" if len(values) < 2 else "lines"
    return {"type": "scatter", "mode": mode, "meta": key, "name": name, "x": values, "y": list(y), "line": {"width": 2}}


def _figure(traces: list[dict[str, Any]], x: str, y: str) -> Figure:
    layout = {
        "xaxis": {"automargin": True} | ({"title": {"text": x}} if x else {}),
        "yaxis": {"title": {"text": y}, "rangemode": "tozero", "automargin": True},
        "hovermode": "x unified",
    }
    return {"data": traces, "layout": layout}
