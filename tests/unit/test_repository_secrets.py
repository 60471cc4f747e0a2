"""No file of the repository holds what looks like a secret. That those of a run are not in it: tests/e2e/test_security.py."""

from __future__ import annotations

import re

import pytest

from local.config import CHECKOUT
from tests.leaks import ISSUED, tracked_files

LOOKS = ISSUED | {
    "a private key": re.compile(rb"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----\s*[\w+/=]"),
    "a key of Blob Storage": re.compile(rb"AccountKey=[\w+/]{20,}"),
    "a shared access signature": re.compile(rb"[?&]sig=[\w%+/]{20,}"),
    "a token of Databricks": re.compile(rb"dapi[0-9a-f]{20,}"),
    "a password in an address": re.compile(rb"://[\w.-]+:[\w+/=%-]{8,}@"),
    "a key of a cloud": re.compile(rb"AKIA[0-9A-Z]{16}|AIza[\w-]{35}|\bgh[pousr]_\w{36}"),
}
EXAMPLES = {
    "an access token of Drive": "ya29." + "a0-_" * 12,
    "a signed token": "eyJhbGciOiJIUzI1" + "NiJ9.eyJzdWIiOiJhZG1p" + "biJ9." + "a0-_" * 8,
    "a private key": "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIE",
    "a key of Blob Storage": "AccountKey" + "=Zm9vYmFyYmF6cXV4cXV1eA+/==;",
    "a shared access signature": "https://a/b?se=1&si" + "g=" + "aB3%2F" * 8,
    "a token of Databricks": "dapi" + "0123456789abcdef" * 2,
    "a password in an address": "postgresql://ledger_writer" + ":0123-_abc@127.0.0.1/ledger",
    "a key of a cloud": "AKIA" + "ABCDEFGHIJKLMNOP",
}


def test_no_file_holds_what_looks_like_a_secret() -> None:
    files = list(tracked_files())
    assert len(files) > 200
    contents = {path.relative_to(CHECKOUT).as_posix(): path.read_bytes() for path in files}
    found = [f"{path}: {name}" for path, content in contents.items() for name, looks in LOOKS.items() if looks.search(content)]
    assert found == []


@pytest.mark.parametrize("name", LOOKS)
def test_each_would_be_found(name: str) -> None:
    found = [other for other, looks in LOOKS.items() if looks.search(f"x = '{EXAMPLES[name]}'".encode())]
    assert found == [name]
