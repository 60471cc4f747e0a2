"""Plain HTTP requests to the Drive stand-in, as Google's documentation has them: no Google library in between."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import httpx
import jwt

from local.drive_standin.tokens import AUDIENCE, GRANT_TYPE
from local.drive_standin.tree import FOLDER

READ = "https://www.googleapis.com/auth/drive.readonly"
CONTENT = bytes(range(256)) * 4000
"""What the stand-in of the unit tests has in ``feeds/t.csv``."""


def assertion(credentials: Path, key: Any = None, **claims: Any) -> str:
    """Sign an assertion with the key file's key or another one; claims replace the usual ones."""
    account = json.loads(credentials.read_text())
    now = int(time.time())
    usual = {"iss": account["client_email"], "aud": AUDIENCE, "iat": now, "exp": now + 3600, "scope": READ}
    return jwt.encode(usual | claims, key or account["private_key"], algorithm="RS256")


def grant(client: httpx.Client, signed: str, grant_type: str = GRANT_TYPE) -> httpx.Response:
    """Ask for a token."""
    return client.post("/token", data={"grant_type": grant_type, "assertion": signed})


def find(drive: httpx.Client, q: str) -> list[dict[str, Any]]:
    """List the files that meet conditions."""
    answer = drive.get("/drive/v3/files", params={"q": q})
    assert answer.status_code == 200, answer.text
    return list(answer.json()["files"])


def id_of_feed(drive: httpx.Client) -> str:
    """Find ``feeds/t.csv``."""
    folder = find(drive, f"name = 'feeds' and mimeType = '{FOLDER}'")[0]["id"]
    return str(find(drive, f"name = 't.csv' and '{folder}' in parents and trashed = false")[0]["id"])


def media(drive: httpx.Client, file_id: str, byte_range: str | None = None) -> httpx.Response:
    """Ask for content."""
    headers = {"Range": byte_range} if byte_range else {}
    return drive.get(f"/drive/v3/files/{file_id}", params={"alt": "media"}, headers=headers)


def reason(answer: httpx.Response) -> str:
    """Give the reason of an error answer, whose shape is checked."""
    error = answer.json()["error"]
    assert error["code"] == answer.status_code
    assert error["message"] == error["errors"][0]["message"]
    return str(error["errors"][0]["reason"])
