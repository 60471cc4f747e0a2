"""The search for secrets finds them in every form, and finds nothing else."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import jwt
import pytest

from local.config import LEDGER_ROLES, load_config
from local.drive_standin import make_credentials
from tests.leaks import leaked, secrets_of

SECRET = "a/b+c==d-e_f 12%34é"
URL = f"postgresql://ledger:{quote(SECRET, safe='')}@127.0.0.1/ledger"
TOKEN = jwt.encode({"sub": "admin"}, "k" * 64, "HS256")


@pytest.mark.parametrize("text", [SECRET, f"password={SECRET}\n", URL, URL.replace("ledger:", "x:")])
@pytest.mark.parametrize("before", ["", "a", "ab", "abc", "user:"])
@pytest.mark.parametrize("behind", ["", "\n", "xyz"])
def test_a_secret_is_found_as_it_is_and_encoded(text: str, before: str, behind: str) -> None:
    secrets, written = {"planted": SECRET, "other": "not-there"}, (before + text + behind).encode()
    assert leaked(secrets, written) == ["planted"]
    if SECRET in text:
        assert leaked(secrets, b"x " + base64.b64encode(written)) == ["planted"]
        assert leaked(secrets, base64.urlsafe_b64encode(written) + b" x") == ["planted"]


@pytest.mark.parametrize("text", ["", "a/b+c", SECRET[1:], SECRET.upper(), "ya29. is how they begin", "eyJ.eyJ."])
def test_what_is_no_secret_is_not_found(text: str) -> None:
    assert leaked({"planted": SECRET}, text.encode()) == []


def test_tokens_that_were_issued_are_found_by_how_they_look() -> None:
    assert leaked({}, f"Authorization: Bearer {TOKEN}".encode()) == ["a signed token"]
    assert leaked({}, b'{"access_token": "ya29.' + b"a-_" * 20) == ["an access token of Drive"]


def test_the_secrets_of_a_stack_are_its_own(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    one, two = load_config(tmp_path / "one"), load_config(tmp_path / "two")
    assert one.passwords.keys() == two.passwords.keys()
    assert {*LEDGER_ROLES, "airflow", "postgres", "blob_key"} <= one.passwords.keys()
    assert set(one.passwords.values()).isdisjoint(two.passwords.values())
    assert len(set(one.passwords.values())) == len(one.passwords)
    assert min(len(password) for password in one.passwords.values()) >= 16


def test_the_key_of_the_drive_account_is_found_where_it_stands_in_one_line(tmp_path: Path) -> None:
    ports = dict.fromkeys(("postgres", "azurite", "drive", "spark", "minilake", "airflow"), 1)
    config = replace(load_config(tmp_path), ports=ports)
    make_credentials(config.addresses.drive_credentials, "http://127.0.0.1/token")
    written = config.addresses.drive_credentials.read_bytes()
    assert leaked(secrets_of(config), written) == ["line 3 of the Drive account's key", "line 11 of the Drive account's key"]
    assert leaked(secrets_of(config), base64.b64encode(written)) == leaked(secrets_of(config), written)
