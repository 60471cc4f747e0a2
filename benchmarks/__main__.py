"""Measure the pipeline: ``make bench``. Results are added to benchmarks/results/, and docs/benchmarks.md is written anew."""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from collections.abc import Sequence

import httpx
import psycopg

from benchmarks import report, results
from benchmarks.bench import Bench, Options, opened, say
from benchmarks.feeds import usual_files
from local.config import StackError

MODULES = {
    "1": "row_paced",
    "2": "row_paced",
    "3": "row_backfill",
    "4": "row_job",
    "5": "row_job",
    "6": "row_landing",
    "7": "row_growth",
    "8": "row_throughput",
    "9": "row_pages",
    "10": "row_idle",
}
"""Rows of the table, and what measures them."""

_LONG = ("8",)  # three quarters of an hour on a feed of gigabytes: only when it is asked for


def chosen(only: str | None) -> list[str]:
    """Give the modules to run, in the order of the rows, each once.

    Raises
    ------
    ValueError
        A row is not in the table.
    """
    rows = [row for row in MODULES if row not in _LONG] if only is None else [row.strip() for row in only.split(",")]
    if unknown := [row for row in rows if row not in MODULES]:
        raise ValueError(f"--only {only}: there is no row {', '.join(unknown)}; the rows are {', '.join(MODULES)}")
    return list(dict.fromkeys(MODULES[row] for row in sorted(rows, key=int)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line of ``make bench``."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--only", metavar="ROWS", help="rows of the table, such as 1,3,6; without it all but 8, which takes longest"
    )
    parser.add_argument("--repeats", type=int, default=3, help="runs of everything that is compared (3)")
    parser.add_argument("--scale", type=int, default=100, help="row 8: length of the long feed, in BankSims (100)")
    parser.add_argument("--batch-chunks", type=int, default=600, help="row 8: chunks in a batch (600)")
    parser.add_argument("--idle-minutes", type=float, default=10, help="row 10: how long to watch (10)")
    options = parser.parse_args(arguments)
    try:
        modules = chosen(options.only)
    except ValueError as error:
        parser.error(str(error))
    for name in ("repeats", "scale", "batch_chunks", "idle_minutes"):
        if getattr(options, name) <= 0:
            parser.error(f"--{name.replace('_', '-')} is {getattr(options, name)}; it is more than 0")
    try:
        _measure(modules, Options(options.repeats, options.scale, options.batch_chunks, options.idle_minutes))
    except (StackError, httpx.HTTPError, psycopg.Error, OSError, RuntimeError) as error:
        print(f"failed: {error if isinstance(error, RuntimeError) else f'{type(error).__name__}: {error}'}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("failed: interrupted; what was measured before is kept", file=sys.stderr)
        return 1
    report.main()
    return 0


def _measure(modules: list[str], options: Options) -> None:
    session = results.circumstances()
    started = time.monotonic()
    with opened(usual_files(), options) as bench:
        for name in modules:
            _measure_one(bench, name, session)
    say(f"measured in {(time.monotonic() - started) / 60:.0f} min")


def _measure_one(bench: Bench, name: str, session: dict[str, object]) -> None:
    # Late: these modules import Airflow, which wants its environment before.
    found = importlib.import_module(f"benchmarks.{name}").measure(bench)
    results.append(found, session)
    for result in found:
        shown = ", ".join(f"{value:.3g}" for value in result.values)
        say(f"  {result.row}: {result.measure}: {shown} {result.unit}")


if __name__ == "__main__":
    sys.exit(main())
