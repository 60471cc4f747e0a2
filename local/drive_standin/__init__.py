"""A small local server that speaks the part of Google Drive v3 that the project uses, over the files of a directory.

It stands where Google stands: the unmodified Google libraries get a token from it with a service account's key, look
files up, and read them in byte ranges. Its own switches (``/standin/...``) make it fail on request and say how many
bytes it served.
"""

from local.drive_standin.app import create_app
from local.drive_standin.credentials import drive_connection, make_credentials
from local.drive_standin.running import Standin, serve_in_thread

__all__ = ["Standin", "create_app", "drive_connection", "make_credentials", "serve_in_thread"]
