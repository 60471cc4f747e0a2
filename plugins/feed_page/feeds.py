"""What every view needs of a feed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from feed_page.overview import Overview, overview
from feeds.ledger import Ledger, Row


class UnknownFeedError(LookupError):
    """There is no feed of that name."""


@dataclass(frozen=True)
class FeedState:
    """A feed's rows, and what they come to.

    Attributes
    ----------
    row
        Row of ``select_feed``.
    open_batch
        Row of ``select_open_batch``, if there is one.
    overview
        Figures made of them.
    names
        All feeds, the newest first.
    """

    row: Row
    open_batch: Row | None
    overview: Overview
    names: list[str]

    @property
    def feed_id(self) -> int:
        """Number of the feed in the ledger."""
        return int(self.row["feed_id"])


def feed_state(ledger: Ledger, name: str | None) -> FeedState | None:
    """Read how far a feed has got; without a name the newest. ``None`` when there is none at all.

    Raises
    ------
    UnknownFeedError
        There is no feed of that name.
    """
    names = [row["feed"] for row in ledger.rows("page_feeds")]
    if not name and not names:
        return None
    row = ledger.row("select_feed", feed=name or names[0])
    if row is None:
        known = f"the newest ones are {', '.join(names[:5])}" if names else "there is none yet"
        raise UnknownFeedError(f"The ledger has no feed {name!r}; {known}.")
    progress = ledger.row("page_progress", feed_id=row["feed_id"]) or {}
    open_batch = ledger.row("select_open_batch", feed_id=row["feed_id"])
    since = ledger.row("page_waiting_since", feed_id=row["feed_id"])
    figures = overview(row, progress, open_batch, since["since"] if since else None, datetime.now(UTC))
    return FeedState(row, open_batch, figures, names)
