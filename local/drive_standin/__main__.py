"""Serve a directory as Google Drive: ``python -m local.drive_standin --root DIR --port N --credentials FILE``."""

from __future__ import annotations

import argparse
from pathlib import Path

import uvicorn

from local.drive_standin.app import create_app
from local.drive_standin.credentials import make_credentials


def main() -> None:
    """Serve until ended; write the service account's key first when there is none."""
    parser = argparse.ArgumentParser(prog="python -m local.drive_standin", description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="the directory whose files are served")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--credentials", type=Path, required=True, help="the service account's key; made when it is missing")
    parser.add_argument("--host", default="127.0.0.1")
    arguments = parser.parse_args()
    if not arguments.root.is_dir():
        parser.error(f"--root {arguments.root} is not a directory")
    if not arguments.credentials.exists():
        make_credentials(arguments.credentials, f"http://{arguments.host}:{arguments.port}/token")
    app = create_app(arguments.root, arguments.credentials)
    uvicorn.run(app, host=arguments.host, port=arguments.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
