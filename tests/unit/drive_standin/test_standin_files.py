"""Listing, metadata and content of the stand-in are what Google documents."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import httpx
import pytest

from local.drive_standin.media import parse_range
from local.drive_standin.problems import DriveProblem
from local.drive_standin.query import parse_fields
from local.drive_standin.tree import FOLDER, DriveTree
from tests.drive_requests import CONTENT, find, id_of_feed, media, reason


def test_list_finds_names_with_quotes_and_backslashes(drive: httpx.Client) -> None:
    found = find(drive, r"name = 'it\'s a \\ file.csv' and trashed=false")
    assert [file["name"] for file in found] == ["it's a \\ file.csv"]


def test_list_tells_folders_apart(drive: httpx.Client) -> None:
    assert len(find(drive, "name = 't.csv'")) == 2
    assert [file["kind"] for file in find(drive, "name = 't.csv' and 'root' in parents")] == ["drive#file"]
    names = {file["name"] for file in find(drive, f"mimeType != '{FOLDER}' and 'root' in parents")}
    assert names == {"t.csv", "empty.csv"}
    assert find(drive, "trashed = true") == []


def test_list_comes_in_pages_and_in_order(drive: httpx.Client) -> None:
    names: list[str] = []
    token = ""
    while True:
        parameters = {"pageSize": "2", "pageToken": token, "orderBy": "name desc", "fields": "nextPageToken,files/name"}
        answer = drive.get("/drive/v3/files", params=parameters).json()
        assert all(file.keys() == {"name"} for file in answer["files"])
        names += [file["name"] for file in answer["files"]]
        if "nextPageToken" not in answer:
            break
        token = answer["nextPageToken"]
    assert names == ["t.csv", "t.csv", "it's a \\ file.csv", "feeds", "empty.csv"]


@pytest.mark.parametrize(
    ("parameters", "location"),
    [
        ({"q": "name = 't.csv"}, "q"),
        ({"q": "name like 't.csv'"}, "q"),
        ({"q": "name = 't.csv' or trashed = false"}, "q"),
        ({"q": "name = 't.csv' and"}, "q"),
        ({"q": "name = 't.csv'trashed = false"}, "q"),
        ({"fields": "files(id"}, "fields"),
        ({"fields": "files(colour)"}, "fields"),
        ({"orderBy": "colour"}, "orderBy"),
        ({"pageToken": "x"}, "pageToken"),
        ({"pageSize": "many"}, "pageSize"),
    ],
)
def test_list_refuses_what_it_does_not_know(drive: httpx.Client, parameters: dict[str, str], location: str) -> None:
    answer = drive.get("/drive/v3/files", params=parameters)
    assert answer.status_code == 400
    assert reason(answer) in ("invalid", "invalidParameter")
    assert answer.json()["error"]["errors"][0]["location"] == location


def test_list_of_an_unknown_folder_is_not_found(drive: httpx.Client) -> None:
    answer = drive.get("/drive/v3/files", params={"q": "'nowhere' in parents"})
    assert (answer.status_code, reason(answer)) == (404, "notFound")


def test_field_masks() -> None:
    assert parse_fields("files(id, name),nextPageToken") == {"files": {"id": {}, "name": {}}, "nextPageToken": {}}
    assert parse_fields("files/id,files/name") == {"files": {"id": {}, "name": {}}}
    for wrong in ("", ",", "a b", "a(", "a)", "a//b", "a(b)c", "ä"):
        with pytest.raises(DriveProblem):
            parse_fields(wrong)


def test_get_gives_the_fields_that_are_asked_for(drive: httpx.Client) -> None:
    file_id = id_of_feed(drive)
    assert drive.get(f"/drive/v3/files/{file_id}").json().keys() == {"kind", "id", "name", "mimeType"}
    fields = "id,name,size,md5Checksum,headRevisionId,modifiedTime,mimeType,parents"
    found = drive.get(f"/drive/v3/files/{file_id}", params={"fields": fields}).json()
    assert found.keys() == set(fields.split(","))
    assert found["size"] == str(len(CONTENT))
    assert found["md5Checksum"] == hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
    assert found["mimeType"] == "text/csv"
    folder = drive.get(f"/drive/v3/files/{found['parents'][0]}", params={"fields": "*"}).json()
    assert (folder["name"], folder["mimeType"], folder["parents"]) == ("feeds", FOLDER, ["root"])
    assert "size" not in folder


def test_get_of_an_unknown_file_is_not_found(drive: httpx.Client) -> None:
    for parameters in ({}, {"alt": "media"}):
        answer = drive.get("/drive/v3/files/nothing", params=parameters)
        assert (answer.status_code, reason(answer)) == (404, "notFound")
        assert answer.json()["error"]["message"] == "File not found: nothing."


def test_folders_have_no_content(drive: httpx.Client) -> None:
    answer = media(drive, "root")
    assert (answer.status_code, reason(answer)) == (403, "fileNotDownloadable")


def test_revision_and_checksum_change_when_and_only_when_the_content_does(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("one")
    tree = DriveTree(tmp_path)
    node = tree.nodes()[0]

    def revision() -> tuple[str, str]:
        fields = tree.fields(node)
        return fields["md5Checksum"](), fields["headRevisionId"]()

    first = revision()
    path.touch()
    assert revision() == first
    path.write_text("two")  # the same size, within the same tick of the clock
    second = revision()
    assert second[0] != first[0]
    assert second[1] != first[1]
    os.utime(path, (1, 1))
    assert revision() == second
    assert revision() == second  # from the cache now
    assert tree.nodes()[0].id == node.id


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", None),
        ("bytes=0-0", (0, 1)),
        ("bytes=10-19", (10, 20)),
        ("bytes=90-", (90, 100)),
        ("bytes=90-1000", (90, 100)),
        ("bytes=-5", (95, 100)),
        ("bytes=-500", (0, 100)),
        ("bytes=99-99", (99, 100)),
        ("bytes=20-10", None),
        ("bytes=0-1,5-6", None),
        ("bytes=-", None),
        ("lines=1-2", None),
    ],
)
def test_range_headers(header: str, expected: tuple[int, int] | None) -> None:
    assert parse_range(header, 100) == expected


def test_ranges_are_served_exactly_and_counted(drive: httpx.Client) -> None:
    file_id = id_of_feed(drive)
    size = len(CONTENT)
    for header, start, end in (
        ("bytes=0-99", 0, 100),
        (f"bytes={size - 3}-", size - 3, size),
        ("bytes=5-700000", 5, 700_001),
    ):
        answer = media(drive, file_id, header)
        assert answer.status_code == 206
        assert answer.content == CONTENT[start:end]
        assert answer.headers["Content-Range"] == f"bytes {start}-{end - 1}/{size}"
    beyond = media(drive, file_id, f"bytes={size}-")
    assert (beyond.status_code, beyond.headers["Content-Range"]) == (416, f"bytes */{size}")
    assert reason(beyond) == "requestedRangeNotSatisfiable"
    served = drive.get("/standin/served").json()
    assert served == {file_id: {"name": "t.csv", "requests": 4, "bytes": 100 + 3 + 699_996}}


def test_whole_file_is_served_without_a_range(drive: httpx.Client) -> None:
    file_id = id_of_feed(drive)
    answer = media(drive, file_id)
    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert "Content-Range" not in answer.headers
    assert drive.get("/standin/served").json()[file_id]["bytes"] == len(CONTENT)
    drive.post("/standin/served/reset").raise_for_status()
    assert drive.get("/standin/served").json() == {}
    empty = find(drive, "name = 'empty.csv'")[0]["id"]
    assert media(drive, empty).content == b""


def test_an_id_is_found_by_a_path_through_a_link(tmp_path: Path) -> None:
    folder = tmp_path / "real" / "feed"
    folder.mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert DriveTree(tmp_path / "link").id_of(tmp_path / "link" / "feed") == DriveTree(tmp_path / "real").id_of(folder)
