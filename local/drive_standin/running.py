"""A stand-in inside this process, for tests: on a free port, gone at the end."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from local.drive_standin.app import create_app
from local.drive_standin.credentials import drive_connection, make_credentials


@dataclass(frozen=True)
class Standin:
    """A stand-in that runs.

    Attributes
    ----------
    url
        Its address, without a slash at the end.
    root
        The directory that it serves.
    credentials
        Key file of its service account.
    """

    url: str
    root: Path
    credentials: Path

    def connection(self, num_retries: int = 5) -> dict[str, Any]:
        """Give the Airflow connection to it."""
        return drive_connection(self.url, self.credentials, num_retries)

    def connection_json(self, num_retries: int = 5) -> str:
        """Give the value of ``AIRFLOW_CONN_DRIVE``."""
        return json.dumps(self.connection(num_retries))


@contextmanager
def serve_in_thread(root: Path, credentials: Path) -> Iterator[Standin]:
    """Serve a directory on a free loopback port until the block ends.

    Parameters
    ----------
    root
        The directory.
    credentials
        Where to write the service account's key file.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:  # listens already: early requests wait instead of failing
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        make_credentials(credentials, f"{url}/token")
        app = create_app(root, credentials)
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", access_log=False, lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="drive-standin", daemon=True)
        thread.start()
        try:
            yield Standin(url, root, credentials)
        finally:
            server.should_exit = True
            thread.join(timeout=30)
