"""Delete what Airflow keeps of runs that are long over: ``python -m deployment.airflow_history --days 30``.

Runs where Airflow's scheduler does, as its user and with its environment. The pipeline reads nothing of it: its own ledger says
what became of every chunk, batch and file.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from airflow.configuration import conf

DAYS = 30
_DAY = 24 * 3600


def delete_before(moment: datetime, logs: Path) -> int:
    """Delete runs, task instances, XComs and what else Airflow's database holds from before a moment, and tasks' logs.

    Parameters
    ----------
    moment
        With its time zone.
    logs
        The folder of the logs. A folder in it goes as well when it has been empty that long: into a new one a task is about to
        write.

    Returns
    -------
    int
        How many files of logs were deleted.

    Raises
    ------
    subprocess.CalledProcessError
        Airflow's own command has failed; it says why on standard error.
    """
    # Without an archive: its tables would be what is to be got rid of.
    options = ["--clean-before-timestamp", moment.isoformat(), "--skip-archive", "--yes"]
    command = [sys.executable, "-m", "airflow", "db", "clean", *options]
    subprocess.run(command, check=True)  # noqa: S603 -- nothing of it comes from outside but a date
    old = [path for path in logs.rglob("*") if path.lstat().st_mtime < moment.timestamp()]
    for folder in sorted((path for path in old if path.is_dir() and not path.is_symlink()), reverse=True):  # the inner ones first
        if not any(folder.iterdir()):
            folder.rmdir()
    files = [path for path in old if path.is_file() and not path.is_symlink()]
    for file in files:
        file.unlink()
    return len(files)


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m deployment.airflow_history", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--days", type=float, default=DAYS, help="what is younger stays (default: %(default)s)")
    parser.add_argument("--daily", action="store_true", help="do it again every day, until it is stopped")
    parser.add_argument("--done", type=Path, help="file to touch whenever it is done, for a health check")
    arguments = parser.parse_args()
    logs = Path(conf.get_mandatory_value("logging", "base_log_folder"))
    while True:
        moment = datetime.now(UTC) - timedelta(days=arguments.days)
        try:
            deleted = delete_before(moment, logs)
        except subprocess.CalledProcessError as error:
            print(f"failed: airflow db clean ended with {error.returncode}", file=sys.stderr)
            return 1  # whoever started it starts it again
        print(f"Airflow's history from before {moment:%Y-%m-%d %H:%M} UTC is deleted, with {deleted} log files", flush=True)
        if arguments.done:
            arguments.done.touch()
        if not arguments.daily:
            return 0
        time.sleep(_DAY)


if __name__ == "__main__":
    sys.exit(main())
