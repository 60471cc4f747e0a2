"""The token endpoint of the stand-in accepts what Google accepts, and nothing else."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from local.drive_standin import Standin, make_credentials
from local.drive_standin.tokens import AUDIENCE
from tests.drive_requests import assertion, grant, reason


def test_token_is_issued_for_a_good_assertion(standin: Standin, stranger: httpx.Client) -> None:
    answer = grant(stranger, assertion(standin.credentials))
    assert answer.status_code == 200
    assert answer.json().keys() == {"access_token", "expires_in", "token_type"}
    assert answer.json()["token_type"] == "Bearer"


def test_token_is_refused_when_another_key_signed(standin: Standin, stranger: httpx.Client) -> None:
    answer = grant(stranger, assertion(standin.credentials, rsa.generate_private_key(public_exponent=65537, key_size=2048)))
    assert answer.status_code == 400
    assert answer.json() == {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}


@pytest.mark.parametrize(
    ("claims", "error", "words"),
    [
        ({"iss": "somebody@else.iam.gserviceaccount.com"}, "invalid_grant", "account not found"),
        ({"aud": "https://elsewhere.example/token"}, "invalid_grant", AUDIENCE),
        ({"iat": 1_000_000_000, "exp": 1_000_003_600}, "invalid_grant", "expired"),
        ({"exp": int(time.time()) + 7200}, "invalid_grant", "60 minutes"),
        ({"exp": "soon"}, "invalid_grant", "exp"),
        ({"scope": ""}, "invalid_scope", "scope"),
    ],
)
def test_token_is_refused_for_wrong_claims(
    standin: Standin, stranger: httpx.Client, claims: dict[str, Any], error: str, words: str
) -> None:
    answer = grant(stranger, assertion(standin.credentials, **claims))
    assert answer.status_code == 400
    assert answer.json()["error"] == error
    assert words in answer.json()["error_description"]


def test_token_is_refused_for_another_grant_and_for_no_jwt(standin: Standin, stranger: httpx.Client) -> None:
    assert grant(stranger, assertion(standin.credentials), "password").json()["error"] == "unsupported_grant_type"
    assert grant(stranger, "no.j.wt").json()["error"] == "invalid_grant"
    assert stranger.post("/token").json()["error"] == "unsupported_grant_type"


def test_drive_needs_a_token_with_a_scope_that_reads(standin: Standin, stranger: httpx.Client) -> None:
    for header in ({}, {"Authorization": "Bearer ya29.invented"}, {"Authorization": "Basic eDp5"}):
        for path in ("/drive/v3/files", "/drive/v3/files/root"):
            answer = stranger.get(path, headers=header)
            assert (answer.status_code, reason(answer)) == (401, "authError")
    token = grant(stranger, assertion(standin.credentials, scope="https://www.googleapis.com/auth/calendar")).json()[
        "access_token"
    ]
    answer = stranger.get("/drive/v3/files", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, reason(answer)) == (403, "insufficientPermissions")


def test_key_file_has_googles_fields_and_is_private(standin: Standin, tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    path.write_text("older, readable by all")
    path.chmod(0o644)
    make_credentials(path, "http://127.0.0.1:1/token")
    assert path.stat().st_mode & 0o777 == 0o600
    content = json.loads(path.read_text())
    assert content["type"] == "service_account"
    assert content["token_uri"] == "http://127.0.0.1:1/token"
    assert content["private_key"] != json.loads(standin.credentials.read_text())["private_key"]


def test_command_serves_and_makes_its_key(tmp_path: Path, unused_port: int) -> None:
    (tmp_path / "drive").mkdir()
    key = tmp_path / "key.json"
    command = [sys.executable, "-m", "local.drive_standin", "--root", str(tmp_path / "drive"), "--port", str(unused_port)]
    project = Path(__file__).resolve().parents[3]
    with subprocess.Popen([*command, "--credentials", str(key)], cwd=project) as process:
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{unused_port}") as client:
                deadline = time.monotonic() + 60
                while not _healthy(client):
                    with pytest.raises(subprocess.TimeoutExpired):  # it has not ended
                        process.wait(timeout=0.05)
                    assert time.monotonic() < deadline
                assert grant(client, assertion(key)).status_code == 200
            assert json.loads(key.read_text())["token_uri"] == f"http://127.0.0.1:{unused_port}/token"
        finally:
            process.terminate()


def _healthy(client: httpx.Client) -> bool:
    try:
        return client.get("/standin/health").json() == {"status": "ok"}
    except httpx.TransportError:
        return False


@pytest.fixture
def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
