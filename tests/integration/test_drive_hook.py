"""The Drive hook, with the unmodified Google libraries, against the stand-in over HTTP."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from feeds.drive import DriveHook, DriveRevision
from feeds.errors import DriveAccessError, DriveAwayError, SourceChangedError, SourceFormatError
from local.drive_standin import Standin, drive_connection, make_credentials, serve_in_thread
from local.drive_standin.credentials import ACCOUNT

CONTENT = b"".join(b"%07d\n" % number for number in range(125_000))
SIZE = len(CONTENT)


@pytest.fixture(scope="module")
def standin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standin]:
    root = tmp_path_factory.mktemp("drive")
    (root / "bank").mkdir()
    (root / "bank" / "t.csv").write_bytes(CONTENT)
    (root / "bank" / "twice.csv").touch()
    (root / "bank" / "twice.csv.twin").touch()
    (root / "bank" / "the bank's \\ file.csv").write_text("x")
    with serve_in_thread(root, tmp_path_factory.mktemp("keys") / "key.json") as running:
        yield running


@pytest.fixture
def hook(standin: Standin, monkeypatch: pytest.MonkeyPatch) -> DriveHook:
    """Give a hook, on a stand-in without faults, counts, and changes of the file."""
    httpx.delete(f"{standin.url}/standin/faults").raise_for_status()
    (standin.root / "bank" / "t.csv").write_bytes(CONTENT)
    monkeypatch.setenv("AIRFLOW_CONN_DRIVE", standin.connection_json(num_retries=3))
    httpx.post(f"{standin.url}/standin/served/reset").raise_for_status()
    return DriveHook(backoff_seconds=0)


@pytest.fixture
def bank(hook: DriveHook) -> str:
    """Give the id of the folder that the files are in."""
    return str(hook.get_conn().files().list(q="name = 'bank'").execute()["files"][0]["id"])


@pytest.fixture
def revision(hook: DriveHook, bank: str) -> DriveRevision:
    return hook.get_revision(hook.find_file("t.csv", bank))


@pytest.fixture
def fault(standin: Standin, hook: DriveHook) -> Callable[..., None]:
    """Give a function that sets a fault of the stand-in (after the hook's fixture has cleared the old ones)."""

    def set_fault(kind: str, **more: Any) -> None:
        httpx.post(f"{standin.url}/standin/faults", json={"fault": kind, **more}).raise_for_status()

    return set_fault


def _served(standin: Standin, revision: DriveRevision) -> tuple[int, int]:
    count = httpx.get(f"{standin.url}/standin/served").json()[revision.file_id]
    return count["requests"], count["bytes"]


# Finding and describing files.


def test_revision_says_what_drive_has(standin: Standin, revision: DriveRevision) -> None:
    assert (revision.name, revision.size, revision.mime_type) == ("t.csv", SIZE, "text/csv")
    assert revision.md5 == hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
    assert revision.revision_id
    assert httpx.get(f"{standin.url}/standin/served").json() == {}


def test_find_file_escapes_names(hook: DriveHook, bank: str) -> None:
    assert hook.get_revision(hook.find_file("the bank's \\ file.csv", bank)).size == 1
    with pytest.raises(DriveAccessError, match="Drive shows no file"):
        hook.find_file("x' or name != 'x", bank)


def test_find_file_names_what_is_missing_and_who_looked(hook: DriveHook, bank: str) -> None:
    for name, folder in (("nothing.csv", bank), ("bank", "root")):  # a folder is no file
        with pytest.raises(DriveAccessError) as raised:
            hook.find_file(name, folder)
        assert all(part in str(raised.value) for part in (repr(name), folder, ACCOUNT))


def test_find_file_in_an_unknown_folder(hook: DriveHook) -> None:
    with pytest.raises(DriveAccessError) as raised:
        hook.find_file("t.csv", "nowhere")
    assert all(part in str(raised.value) for part in ("'t.csv'", "nowhere", ACCOUNT))


def test_find_file_refuses_two_of_a_name(hook: DriveHook, bank: str) -> None:
    ids = [file["id"] for file in hook.get_conn().files().list(q="name = 'twice.csv'").execute()["files"]]
    assert len(ids) == 2
    with pytest.raises(DriveAccessError) as raised:
        hook.find_file("twice.csv", bank)
    assert all(part in str(raised.value) for part in (*ids, "'twice.csv'", bank, ACCOUNT))


def test_folders_have_no_revision(hook: DriveHook, bank: str) -> None:
    with pytest.raises(SourceFormatError, match=r"'bank' .* application/vnd.google-apps.folder"):
        hook.get_revision(bank)


def test_connection_without_endpoint_means_google(hook: DriveHook, monkeypatch: pytest.MonkeyPatch, standin: Standin) -> None:
    connection = standin.connection()
    del connection["extra"]["drive_endpoint"]
    monkeypatch.setenv("AIRFLOW_CONN_DRIVE", json.dumps(connection))
    assert DriveHook().get_client_options().api_endpoint is None
    assert DriveHook().get_media_request("1abc").uri.startswith("https://www.googleapis.com/drive/v3/files/1abc?")


# Ranges.


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(bounds=st.tuples(st.integers(0, SIZE), st.integers(0, SIZE)).map(sorted))
@example(bounds=[0, SIZE])
@example(bounds=[SIZE - 1, SIZE])
@example(bounds=[SIZE, SIZE])
@example(bounds=[0, 1])
def test_any_range_is_exact(hook: DriveHook, revision: DriveRevision, bounds: list[int]) -> None:
    start, end = bounds
    assert hook.read_range(revision, start, end) == CONTENT[start:end]


def test_ranges_outside_the_file_are_refused(hook: DriveHook, revision: DriveRevision) -> None:
    for start, end in ((-1, 5), (5, 4), (0, SIZE + 1)):
        with pytest.raises(ValueError, match="not within"):
            hook.read_range(revision, start, end)


@pytest.mark.parametrize(("start", "block"), [(0, 300_000), (12_345, 100_000), (SIZE - 1, 10), (SIZE, 10), (0, SIZE)])
def test_stream_gives_the_rest_once(standin: Standin, hook: DriveHook, revision: DriveRevision, start: int, block: int) -> None:
    pieces = list(hook.read_stream(revision, start, block))
    assert b"".join(pieces) == CONTENT[start:]
    assert all(len(piece) == block for piece in pieces[:-1])
    if pieces:
        assert _served(standin, revision) == (len(pieces), SIZE - start)


def test_all_ranges_share_one_connection(hook: DriveHook, revision: DriveRevision, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="urllib3.connectionpool"):
        for _ in hook.read_stream(revision, 0, 100_000):
            pass
    opened = [record for record in caplog.records if "Starting new HTTP connection" in record.getMessage()]
    asked = [record for record in caplog.records if "alt=media" in record.getMessage()]
    assert len(asked) == 10
    assert len(opened) == 1


# Faults that pass.


@pytest.mark.parametrize("status", [429, 500, 503])
def test_status_faults_are_tried_again(
    standin: Standin, hook: DriveHook, revision: DriveRevision, fault: Callable[..., None], status: int
) -> None:
    fault("status", status=status, times=3)
    assert hook.read_range(revision, 10, 5_000) == CONTENT[10:5_000]
    assert _served(standin, revision) == (4, 4_990)
    fault("status", status=status, times=3)
    assert hook.get_revision(revision.file_id) == revision


def test_rate_limit_with_403_is_tried_again(hook: DriveHook, revision: DriveRevision, fault: Callable[..., None]) -> None:
    fault("status", status=403, reason="userRateLimitExceeded", times=2)
    assert hook.read_range(revision, 0, 100) == CONTENT[:100]


@pytest.mark.parametrize("kind", ["short_body", "drop_body"])
def test_short_and_dropped_bodies_are_read_again(
    hook: DriveHook, revision: DriveRevision, fault: Callable[..., None], kind: str
) -> None:
    fault(kind, times=3)
    assert hook.read_range(revision, 7, 900_007) == CONTENT[7:900_007]


def test_a_body_that_stalls_is_read_again(
    hook: DriveHook, revision: DriveRevision, fault: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("feeds.drive.TIMEOUT_SECONDS", 0.2)  # a minute otherwise
    fault("stall_body")
    assert hook.read_range(revision, 7, 900_007) == CONTENT[7:900_007]


def test_faults_that_stay_are_raised_and_never_a_short_body(
    standin: Standin, hook: DriveHook, revision: DriveRevision, fault: Callable[..., None]
) -> None:
    fault("short_body", times=4)
    with pytest.raises(DriveAwayError, match=r"asked 4 times.*sent 50 bytes of an answer that should have 100"):
        hook.read_range(revision, 0, 100)
    assert _served(standin, revision)[0] == 4
    fault("status", status=503, times=4)
    with pytest.raises(DriveAwayError, match=rf"does not give file {revision.file_id} .*asked 4 times.*503"):
        hook.read_range(revision, 0, 100)
    assert _served(standin, revision)[0] == 8


def test_lost_token_is_asked_for_again(hook: DriveHook, revision: DriveRevision, fault: Callable[..., None]) -> None:
    fault("status", status=401)
    assert hook.read_range(revision, 0, 100) == CONTENT[:100]


def test_ignored_range_is_cut_out_with_one_warning(
    standin: Standin, hook: DriveHook, revision: DriveRevision, fault: Callable[..., None]
) -> None:
    fault("ignore_range", times=None)
    with structlog.testing.capture_logs() as logs:
        for start, end in ((0, 100), (500_000, 600_000), (SIZE - 1, SIZE)):
            assert hook.read_range(revision, start, end) == CONTENT[start:end]
    warnings = [entry["event"] for entry in logs if entry["log_level"] == "warning"]
    assert len(warnings) == 1
    assert "ignores Range" in warnings[0]
    assert "slow" in warnings[0]


# Faults that do not pass.


@pytest.mark.parametrize(("status", "reason"), [(404, "notFound"), (403, "insufficientFilePermissions")])
def test_refusals_name_file_and_account_and_are_not_tried_again(
    standin: Standin, hook: DriveHook, revision: DriveRevision, fault: Callable[..., None], status: int, reason: str
) -> None:
    fault("status", status=status, times=None)
    for attempt in (lambda: hook.read_range(revision, 0, 100), lambda: hook.get_revision(revision.file_id)):
        with pytest.raises(DriveAccessError) as raised:
            attempt()
        assert all(part in str(raised.value) for part in (str(status), reason, revision.file_id, ACCOUNT))
    assert _served(standin, revision) == (1, 0)


def test_a_refusal_that_sharing_does_not_mend_is_told_in_googles_words(
    hook: DriveHook, revision: DriveRevision, fault: Callable[..., None]
) -> None:
    fault("status", status=403, reason="accessNotConfigured", times=None)
    with pytest.raises(DriveAccessError, match=r"403 \(accessNotConfigured\): Google says to .+: .+") as raised:
        hook.get_revision(revision.file_id)
    assert "share it" not in str(raised.value)
    assert ACCOUNT in str(raised.value)


def test_wrong_key_names_account_and_connection(standin: Standin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    make_credentials(tmp_path / "other.json", f"{standin.url}/token")
    wrong = drive_connection(standin.url, tmp_path / "other.json")
    monkeypatch.setenv("AIRFLOW_CONN_DRIVE", json.dumps(wrong))
    for attempt in (
        lambda: DriveHook().get_revision("root"),
        lambda: DriveHook().read_range(DriveRevision("x", "t.csv", 1, "", "", ""), 0, 1),
    ):
        with pytest.raises(DriveAccessError, match="Invalid JWT Signature") as raised:
            attempt()
        assert ACCOUNT in str(raised.value)
        assert "'drive'" in str(raised.value)


def test_file_that_became_shorter_gives_both_checksums(
    hook: DriveHook, revision: DriveRevision, fault: Callable[..., None]
) -> None:
    fault("replace_after", file="t.csv", after=1, content="short now")
    pieces = hook.read_stream(revision, 0, SIZE // 2)
    assert next(pieces) == CONTENT[: SIZE // 2]
    with pytest.raises(SourceChangedError) as raised:
        next(pieces)
    now = hook.get_revision(revision.file_id)
    assert now.md5 in str(raised.value)
    assert revision.md5 in str(raised.value)
    for start, end in ((5, 100), (100, 200)):  # an answer that is shorter, and 416
        with pytest.raises(SourceChangedError):
            hook.read_range(revision, start, end)
    fault("ignore_range")
    with pytest.raises(SourceChangedError):
        hook.read_range(revision, 5, 100)


def test_replaced_file_shows_in_its_revision(standin: Standin, hook: DriveHook, revision: DriveRevision) -> None:
    changed = bytearray(CONTENT)
    changed[:1] = b"9"
    (standin.root / "bank" / "t.csv").write_bytes(changed)
    now = hook.get_revision(revision.file_id)
    assert (now.file_id, now.size) == (revision.file_id, revision.size)
    assert now.md5 != revision.md5
    assert now.revision_id != revision.revision_id
