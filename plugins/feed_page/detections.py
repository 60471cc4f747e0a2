"""A page of detections: filters, sorting, and where the next page begins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, Field

from feeds.ledger import Ledger, Row

PAGE = 100
_COUNTED = 10_000


class Filters(BaseModel):
    """What the page's form asks for; what is ``None`` or empty does not restrict."""

    feed: str | None = Field(default=None, max_length=63)
    pattern: str = Field(default="", max_length=32, pattern="^[A-Za-z0-9]*$")
    merchant: str = Field(default="", max_length=300)
    customer: str = Field(default="", max_length=300)
    first_chunk: int | Literal[""] | None = None
    last_chunk: int | Literal[""] | None = None
    sort: Literal["newest", "oldest", "merchant", "customer"] = "newest"
    after: int | None = None
    """Ordinal of the detection that ended the page before."""

    def as_query(self, **changed: Any) -> dict[str, Any]:
        """Give the parts of an address that ask for the same, with some changed."""
        return {"feed": self.feed} | self.model_dump(exclude={"feed", "after"}) | changed

    def bound(self) -> dict[str, Any]:
        """Give the values for the statements."""
        return {
            "pattern_id": self.pattern or None,
            "merchant": self.merchant or None,
            "customer": self.customer or None,
            "first_chunk": self.first_chunk or None,
            "last_chunk": self.last_chunk or None,
        }


@dataclass(frozen=True)
class DetectionsPage:
    """Detections in the order asked for.

    Attributes
    ----------
    rows
        Rows of the statement.
    after
        Ordinal with which the next page is asked for; ``None`` on the last.
    count
        How many detections fit the filters, counted up to ``counted``.
    counted
        Where counting stops.
    """

    rows: list[Row]
    after: int | None
    count: int
    counted: int = _COUNTED


def page_of_detections(ledger: Ledger, feed_id: int, filters: Filters) -> DetectionsPage:
    """Read one page."""
    rows = _read(ledger, feed_id, filters, filters.after, PAGE + 1)
    count = ledger.row("page_count_detections", feed_id=feed_id, limit=_COUNTED + 1, **filters.bound())
    after = rows[PAGE - 1]["ordinal"] if len(rows) > PAGE else None
    return DetectionsPage(rows[:PAGE], after, count["found"] if count else 0)


def all_detections(ledger: Ledger, feed_id: int, filters: Filters, page: int) -> Iterator[Row]:
    """Read all that fit, a page at a time: one that grows meanwhile is read to what its end is then."""
    after = None
    while rows := _read(ledger, feed_id, filters, after, page):
        yield from rows
        after = rows[-1]["ordinal"]


def _read(ledger: Ledger, feed_id: int, filters: Filters, after: int | None, limit: int) -> list[Row]:
    """Read what comes after a detection; every order has a statement of its own, so that each can take an index."""
    bound = filters.bound()
    if filters.sort == "newest":
        return ledger.rows("page_detections_newest", feed_id=feed_id, after=after or 0, limit=limit, **bound)
    if filters.sort == "oldest":
        return ledger.rows("page_detections_oldest", feed_id=feed_id, after=after or 0, limit=limit, **bound)
    if filters.sort == "merchant":
        return ledger.rows("page_detections_by_merchant", feed_id=feed_id, after=after or 0, limit=limit, **bound)
    return ledger.rows("page_detections_by_customer", feed_id=feed_id, after=after or 0, limit=limit, **bound)
