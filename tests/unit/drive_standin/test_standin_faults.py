"""The stand-in fails as it is told, and only then."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from local.drive_standin import Standin
from tests.drive_requests import CONTENT, find, id_of_feed, media, reason


def _fault(drive: httpx.Client, **fault: Any) -> None:
    assert drive.post("/standin/faults", json=fault).status_code == 204


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (429, "rateLimitExceeded"),
        (500, "internalError"),
        (503, "backendError"),
        (403, "insufficientFilePermissions"),
        (404, "notFound"),
    ],
)
def test_status_fault_shows_as_often_as_told(drive: httpx.Client, status: int, word: str) -> None:
    file_id = id_of_feed(drive)
    _fault(drive, fault="status", status=status, times=2, file="t.csv")
    assert drive.get("/drive/v3/files").status_code == 200  # no request for that file
    answers = [media(drive, file_id, "bytes=0-9") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [status, status, 206]
    assert reason(answers[0]) == word


def test_faults_wait_and_are_cleared(drive: httpx.Client) -> None:
    file_id = id_of_feed(drive)
    _fault(drive, fault="status", status=403, reason="userRateLimitExceeded", times=None, after=1, media_only=True)
    assert media(drive, file_id, "bytes=0-9").status_code == 206
    assert {reason(media(drive, file_id, "bytes=0-9")) for _ in range(3)} == {"userRateLimitExceeded"}
    assert drive.get(f"/drive/v3/files/{file_id}").status_code == 200
    drive.delete("/standin/faults").raise_for_status()
    assert media(drive, file_id, "bytes=0-9").status_code == 206


def test_body_faults(drive: httpx.Client) -> None:
    file_id = id_of_feed(drive)
    _fault(drive, fault="short_body")
    short = media(drive, file_id, "bytes=0-999")
    assert (short.status_code, short.content) == (206, CONTENT[:500])
    _fault(drive, fault="drop_body")
    with pytest.raises(httpx.RemoteProtocolError):
        media(drive, file_id, "bytes=0-999")
    _fault(drive, fault="ignore_range")
    whole = media(drive, file_id, "bytes=0-999")
    assert (whole.status_code, whole.content) == (200, CONTENT)
    assert drive.get("/standin/served").json()[file_id]["bytes"] == 500 + 500 + len(CONTENT)


def test_file_is_replaced_after_some_requests(standin: Standin, drive: httpx.Client) -> None:
    (standin.root / "changing.csv").write_text("before")
    file_id = find(drive, "name = 'changing.csv'")[0]["id"]
    _fault(drive, fault="replace_after", after=2, file="changing.csv", content="afterwards")
    assert [media(drive, file_id).text for _ in range(4)] == ["before", "before", "afterwards", "afterwards"]
    (standin.root / "changing.csv").unlink()
    assert media(drive, file_id).status_code == 404


def test_unknown_faults_are_refused(drive: httpx.Client) -> None:
    for wrong in ({"fault": "fire"}, {"fault": "status", "often": 2}, {"fault": "replace_after"}):
        assert drive.post("/standin/faults", json=wrong).status_code == 400
