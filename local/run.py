"""Run the pipeline on given files, in the stack's Airflow, until all of them is done: ``make run``."""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg
from azure.core.exceptions import AzureError

from feeds.errors import FeedError
from feeds.ledger import Ledger, Row
from feeds.opening import refuse_other_settings
from feeds.settings import FeedSettings
from local.airflow_api import AirflowApi, AirflowError
from local.config import Addresses, StackError
from local.drive_standin.tree import DriveTree
from local.outputs import download_outputs
from local.postgres import apply_ledger_schema
from local.progress import Display, display, is_done
from local.stack import Stack
from local.summary import print_summary

_POLL_SECONDS = 0.25


class RunError(RuntimeError):
    """The run cannot go on; the message is the reason."""


@dataclass(frozen=True)
class RunRequest:
    """What ``make run`` is asked to do.

    Attributes
    ----------
    transactions, importance
        The files.
    out
        Folder for the results; it stands for the feed.
    settings
        Settings of the feed that were named.
    first, last
        Bounds of the chunks to land and apply.
    """

    transactions: Path
    importance: Path
    out: Path
    settings: dict[str, Any]
    first: int | None = None
    last: int | None = None


def run(request: RunRequest, stack: Stack) -> None:
    """Run a feed in a stack that is up, bring its files to ``out``, and print what came of it.

    Raises
    ------
    RunError
        A run in Airflow failed, or the request does not fit the feed; the message is the reason.
    """
    addresses = stack.addresses
    apply_ledger_schema(addresses)
    with psycopg.connect(addresses.ledger_dsn, autocommit=True) as connection:
        ledger = Ledger(connection)
        feed = _feed_of(request.out, ledger)
        if (known := ledger.row("select_feed", feed=feed)) is not None:
            refuse_other_settings(known, request.settings)
        conf = _put_on_drive(request, addresses, feed)
        api = AirflowApi(stack.airflow_client())
        started = datetime.now(UTC)
        try:
            with display(request.last) as shown:
                watch = _Watch(ledger, api, feed, shown, started)
                if request.first is None and request.last is None:
                    _run_to_the_end(watch, conf)
                else:
                    _run_range(watch, conf, request)
        except BaseException:
            # The reason may name a file of rejected rows. What cannot be brought is no reason of its own.
            with suppress(psycopg.Error, AzureError, OSError):
                _bring(ledger, addresses, feed, request.out)
            raise
        files = _bring(ledger, addresses, feed, request.out)
        print_summary(ledger, feed, started, request.out, files)


def _bring(ledger: Ledger, addresses: Addresses, feed: str, out: Path) -> list[Path]:
    """End the following of a feed, of which only this command lands more, and fetch its files."""
    ledger.run("unfollow_feed", feed=feed)
    return download_outputs(addresses, feed, out)


def _feed_of(out: Path, ledger: Ledger) -> str:
    """Name of the feed that ``out`` stands for; a new one when the folder is new."""
    marker = out / ".feed.json"
    if marker.exists():
        feed = str(json.loads(marker.read_text())["feed"])
        if ledger.row("select_progress", feed=feed) is None and any(out.glob("*/*/*.csv")):
            raise RunError(
                f"{out} holds results of feed {feed}, which this stack does not know (was its .stack folder deleted?): "
                "choose another OUT"
            )
        return feed
    out.mkdir(parents=True, exist_ok=True)
    name = re.sub("[^a-z0-9]+", "-", out.name.lower()).strip("-")[:40] or "feed"
    feed = f"{name}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{os.getpid()}"
    marker.write_text(json.dumps({"feed": feed}) + "\n")
    return feed


def _put_on_drive(request: RunRequest, addresses: Addresses, feed: str) -> dict[str, Any]:
    """Show the files on the Drive stand-in, in a folder of their own; give the run's configuration."""
    folder = addresses.drive_root / feed
    folder.mkdir(parents=True, exist_ok=True)
    for name, file in (("transactions.csv", request.transactions), ("CustomerImportance.csv", request.importance)):
        link = folder / name
        link.unlink(missing_ok=True)
        link.symlink_to(file.resolve())
    return {"feed": feed, "folder_id": DriveTree(addresses.drive_root).id_of(folder), **request.settings}


class _Watch:
    """Follows a feed in the ledger and in Airflow."""

    def __init__(self, ledger: Ledger, api: AirflowApi, feed: str, shown: Display, since: datetime) -> None:
        self._ledger, self._feed, self._shown, self._since = ledger, feed, shown, since
        self.api = api

    def progress(self) -> Row | None:
        """Look how far the feed is, and show it."""
        progress = self._ledger.row("select_progress", feed=self._feed)
        self._shown.show(progress)
        return progress

    def trigger_and_wait(self, conf: dict[str, Any]) -> Row:
        """Trigger a run and wait for its end."""
        run_id = self.api.trigger(conf)
        self.api.unpause()  # only now: else a scheduled run might be ahead of it
        while (state := self.api.state(run_id)) not in ("success", "failed"):
            self.progress()
            time.sleep(_POLL_SECONDS)
        progress = self.progress()
        if state == "failed" or progress is None:
            raise RunError(self.api.reason(run_id))
        return progress

    def refuse_failed_runs(self) -> None:
        """Raise when a run of the feed has failed."""
        if run_id := self.api.failed_run(self._feed, self._since):
            raise RunError(self.api.reason(run_id))


def _run_to_the_end(watch: _Watch, conf: dict[str, Any]) -> None:
    """Start the feed, and let scheduled runs carry it on until it is exhausted and every detection is in a file."""
    progress: Row | None = watch.trigger_and_wait(conf)
    while progress is None or not is_done(progress):
        if progress is not None and progress["failures"]:
            watch.refuse_failed_runs()
        time.sleep(_POLL_SECONDS)
        progress = watch.progress()


def _run_range(watch: _Watch, conf: dict[str, Any], request: RunRequest) -> None:
    """Trigger runs for the range: one when all of it is due, else one whenever another chunk of it has come due."""
    paced = FeedSettings.parse(request.settings).interval_seconds > 0
    progress = watch.progress()
    while True:
        # A new feed has chunk 1 to offer: that a later one is missing the run itself says.
        while progress is not None and (_due(progress, paced) or request.first or 0) < (request.first or 0):
            time.sleep(_POLL_SECONDS)
            progress = watch.progress()
        progress = watch.trigger_and_wait(conf | _bounds(request, _due(progress, paced)))
        if _range_done(progress, request):
            return
        # Triggered again at once when all is due, or when a batch that an earlier run had left open took its turn.
        while progress["applied"] == progress["landed"] and (_due(progress, paced) or math.inf) <= progress["landed"]:
            time.sleep(_POLL_SECONDS)
            progress = watch.progress() or progress


def _bounds(request: RunRequest, due: int | None) -> dict[str, int]:
    """Bounds of the next run: the range, as far as it is due."""
    ends = [end for end in (request.last, due) if end is not None]
    last = max(min(ends), request.first or 1) if ends else None
    return {name: end for name, end in (("first_chunk", request.first), ("last_chunk", last)) if end is not None}


def _due(progress: Row | None, paced: bool) -> int | None:
    """Chunks due by now; ``None``: all."""
    if progress is None:
        return 1 if paced else None
    return None if progress["due"] is None else int(progress["due"])


def _range_done(progress: Row, request: RunRequest) -> bool:
    if progress["landed_to_end"] and progress["applied"] == progress["landed"]:
        return True
    return request.last is not None and progress["applied"] >= request.last


def _settings(arguments: argparse.Namespace) -> dict[str, Any]:
    given: dict[str, Any] = {}
    if arguments.settings:
        try:
            given = json.loads(arguments.settings.read_text())
        except (OSError, ValueError) as error:
            raise RunError(f"SETTINGS {arguments.settings}: {error}") from error
        if not isinstance(given, dict):
            raise RunError(f'SETTINGS {arguments.settings}: a JSON object is expected, for example {{"chunk_size": 10000}}')
    if arguments.interval is not None:
        given["interval_seconds"] = arguments.interval
    named = FeedSettings.parse(given).as_json()
    return {name: named[name] for name in given}


def _file(name: str, path: Path) -> Path:
    if not path.is_file():
        raise RunError(f"{name} {path}: no such file")
    return path


def main() -> int:
    """Command line of ``make run``."""
    parser = argparse.ArgumentParser(prog="make run", description=__doc__)
    parser.add_argument("--transactions", type=Path, required=True, help="CSV file of transactions")
    parser.add_argument("--importance", type=Path, required=True, help="CSV file with Source, Target, Weight, typeTrans")
    parser.add_argument("--out", type=Path, required=True, help="folder for the results; a new one is a new feed")
    parser.add_argument("--settings", type=Path, help="JSON object with settings of the feed")
    parser.add_argument("--interval", help="seconds between chunks: 1 is the real pace, 0 lands all at once")
    parser.add_argument("--first", type=int, help="first chunk to land and apply")
    parser.add_argument("--last", type=int, help="last chunk to land and apply")
    arguments = parser.parse_args()
    return reported(lambda: _main(arguments))


def _main(arguments: argparse.Namespace) -> None:
    for name, bound in (("FIRST", arguments.first), ("LAST", arguments.last)):
        if bound is not None and bound < 1:
            raise RunError(f"{name} is {bound}; chunks are numbered from 1")
    if arguments.first is not None and arguments.last is not None and arguments.first > arguments.last:
        raise RunError(f"FIRST {arguments.first} is behind LAST {arguments.last}")
    request = RunRequest(
        transactions=_file("TRANSACTIONS", arguments.transactions),
        importance=_file("IMPORTANCE", arguments.importance),
        out=arguments.out,
        settings=_settings(arguments),
        first=arguments.first,
        last=arguments.last,
    )
    with Stack(say=lambda line: print(line, flush=True)).running() as stack:
        run(request, stack)


def reported(action: Any) -> int:
    """Run a command; give its exit status, with the reason as the last line when it fails."""
    try:
        action()
    except (RunError, FeedError, StackError, AirflowError) as error:
        reason = str(error)
    except (httpx.HTTPError, psycopg.Error, AzureError, OSError) as error:
        reason = f"{type(error).__name__}: {error}"
    except KeyboardInterrupt:
        reason = "interrupted"
    else:
        return 0
    sys.stdout.flush()
    print(f"failed: {reason}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
