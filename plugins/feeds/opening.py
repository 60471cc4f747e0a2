"""The start of a feed: its files on Drive are found, their header is checked, its settings are fixed.

Crash windows:

- the feed's row is there, and nothing of it has landed: the next try finds the row, and lands the first chunk;
- its ``max_reject_percent`` is the one that the run names, and the run has done no more: the next try finds it so.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from feeds.errors import FeedSettingsError
from feeds.ledger import Ledger, Row
from feeds.request import FeedRequest
from feeds.settings import REJECT_LIMIT, RULES, FeedSettings
from feeds.source import COLUMNS, PinnedSource, read_header

if TYPE_CHECKING:
    from feeds.drive import DriveHook

log = logging.getLogger(__name__)


def open_feed(ledger: Ledger, drive: DriveHook, request: FeedRequest) -> Row:
    """Find the feed, or start it: resolve its files, check the header, fix its settings.

    The ``max_reject_percent`` that a run names is that of the feed from now on.

    Raises
    ------
    FeedSettingsError, SourceFormatError, DriveAccessError
        See :func:`feeds.landing.land`. A rebuild starts no feed, and may change its rules.
    """
    feed = ledger.row("select_feed", feed=request.feed)
    if feed is not None:
        refuse_other_settings(feed, {n: v for n, v in request.settings.items() if not (request.rebuild and n in RULES)})
        return _set_reject_limit(ledger, feed, request)
    if request.rebuild:
        raise FeedSettingsError(f"feed {request.feed} is not in the ledger; a rebuild is of a feed that has landed chunks")
    settings = FeedSettings.parse(request.settings)
    file_id = drive.find_file(request.transactions_file, request.folder_id)
    importance_id = drive.find_file(request.importance_file, request.folder_id)
    revision = drive.get_revision(file_id)
    header = read_header(PinnedSource(drive, revision).read, revision.size, revision.name, COLUMNS)
    ledger.run(
        "insert_feed",
        feed=request.feed,
        transactions_file_id=file_id,
        importance_file_id=importance_id,
        source_revision=revision.revision_id,
        source_size=revision.size,
        source_md5=revision.md5,
        header=header.raw,
        columns=header.columns,
        data_start=header.data_start,
        data_line=header.data_line,
        **{name: getattr(settings, name) for name in settings.as_json()},
    )
    log.info("Feed %s starts on %s (%s bytes) with %s", request.feed, revision.name, f"{revision.size:,}", settings.as_json())
    feed = select_feed(ledger, request.feed)
    refuse_other_settings(feed, request.settings)  # another run may have started it at the same moment
    return _set_reject_limit(ledger, feed, request)


def select_feed(ledger: Ledger, name: str) -> Row:
    """Give a feed of the ledger, with how far it has got; ``FeedSettingsError`` when there is none of that name."""
    feed = ledger.row("select_feed", feed=name)
    if feed is None:
        raise FeedSettingsError(f"feed {name} is not in the ledger")
    return feed


def _set_reject_limit(ledger: Ledger, feed: Row, request: FeedRequest) -> Row:
    """Let the feed have the ``max_reject_percent`` that the run names, if any; give the feed as it is then."""
    limit = FeedSettings.parse(request.settings).max_reject_percent
    if REJECT_LIMIT not in request.settings or limit == feed[REJECT_LIMIT]:
        return feed
    ledger.run("set_reject_limit", feed_id=feed["feed_id"], max_reject_percent=limit)
    log.info("Feed %s: %s was %s, and is %s from now on", request.feed, REJECT_LIMIT, feed[REJECT_LIMIT], limit)
    return select_feed(ledger, request.feed)


def refuse_other_settings(feed: Row, asked: dict[str, Any]) -> None:
    """Raise ``FeedSettingsError``, naming both values, when a feed runs with other settings than those asked for.

    Another ``max_reject_percent`` is no reason.
    """
    wanted = FeedSettings.parse(asked)
    other = [
        f"{name} is {FeedSettings(**{name: feed[name]}).as_json()[name]}, the run asks for {wanted.as_json()[name]}"
        for name in asked
        if name != REJECT_LIMIT and feed[name] != getattr(wanted, name)
    ]
    if other:
        raise FeedSettingsError(
            f"feed {feed['feed']} has other settings: {'; '.join(other)}. "
            "Settings are fixed when a feed starts: leave them out, start a feed under a new name, or change rules by a rebuild."
        )
