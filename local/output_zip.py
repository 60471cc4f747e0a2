"""Write all output files of a feed of this machine's stack to one zip, the same as the page gives: ``make outputs``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import psycopg
from azure.core.exceptions import AzureError
from azure.storage.blob import ContainerClient

from feeds.ledger import Ledger
from feeds.output_zip import zip_outputs
from local.config import Addresses
from local.run import RunError, reported
from local.stack import Stack


def write_zip(addresses: Addresses, feed: str, out: Path) -> int:
    """Write the zip, whole or not at all; give its size in bytes.

    Raises
    ------
    RunError
        The ledger has no such feed, or Blob Storage lacks one of its files.
    """
    with (
        psycopg.connect(addresses.ledger_reader_dsn, autocommit=True) as connection,
        ContainerClient.from_connection_string(addresses.blob_connection_string, addresses.blob_container) as container,
    ):
        ledger = Ledger(connection)
        row = ledger.row("select_feed", feed=feed)
        if row is None:
            known = ", ".join(each["feed"] for each in ledger.rows("page_feeds")[:5]) or "none yet"
            raise RunError(f"FEED {feed}: the ledger has no such feed; the newest ones are: {known}")
        partial = out.with_name(f".{out.name}.part")
        out.parent.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("wb") as file:
                file.writelines(zip_outputs(ledger, row["feed_id"], lambda name: container.download_blob(name).readall()))
            partial.replace(out)
        except AzureError as error:
            raise RunError(f"a file of feed {feed} cannot be read from Blob Storage: {error}") from error
        finally:
            partial.unlink(missing_ok=True)
    return out.stat().st_size


def main() -> int:
    """Command line of ``make outputs``."""
    parser = argparse.ArgumentParser(prog="make outputs", description=__doc__)
    parser.add_argument("--feed", required=True, help="name of the feed")
    parser.add_argument("--out", required=True, type=Path, help="the zip to write, such as feed.zip")
    arguments = parser.parse_args()
    return reported(lambda: _main(arguments))


def _main(arguments: argparse.Namespace) -> None:
    with Stack().running(("postgres", "azurite")) as stack:
        size = write_zip(stack.addresses, arguments.feed, arguments.out)
    print(f"{arguments.out}: {size:,} bytes")


if __name__ == "__main__":
    sys.exit(main())
