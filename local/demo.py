"""Generate a feed of the real size, run it at the real pace, show the result: ``make demo``."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from local.config import CHECKOUT
from local.generate import generate
from local.run import RunRequest, reported, run
from local.stack import Stack

OUT = CHECKOUT / "out" / "demo"
DATA = CHECKOUT / "out" / "demo-feed"
ROWS = 594_643
"""As many as the file that the exercise was made with: 60 chunks, the last of 4,643 rows."""


def main() -> int:
    """Command line of ``make demo``."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS, help="rows of the generated feed")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same feed")
    parser.add_argument("--interval", type=float, default=1, help="seconds between chunks; 0 lands all at once")
    arguments = parser.parse_args()
    return reported(lambda: _main(arguments))


def _main(arguments: argparse.Namespace) -> None:
    transactions, importance = DATA / "transactions.csv", DATA / "CustomerImportance.csv"
    DATA.mkdir(parents=True, exist_ok=True)
    print(f"generating {arguments.rows:,} transactions (seed {arguments.seed})", flush=True)
    generate(transactions, importance, rows=arguments.rows, seed=arguments.seed)
    if OUT.exists():
        shutil.rmtree(OUT)  # a demo is a new feed each time
    with Stack(say=lambda line: print(line, flush=True)).running() as stack:
        run(RunRequest(transactions, importance, OUT, {"interval_seconds": arguments.interval}), stack)
    _show_first_file()


def _show_first_file() -> None:
    files: list[Path] = sorted(OUT.glob("detections/*/*.csv"))
    if files:
        print(f"\n{files[0].relative_to(CHECKOUT)} begins:")
        print("\n".join(files[0].read_text().splitlines()[:6]))


if __name__ == "__main__":
    sys.exit(main())
