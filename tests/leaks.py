"""Finds secrets in text: as they are, and in the forms in which they could hide there."""

from __future__ import annotations

import base64
import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

from local.config import CHECKOUT, StackConfig

ISSUED = {
    "an access token of Drive": re.compile(rb"ya29\.[\w-]{40,}"),
    "a signed token": re.compile(rb"eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{20,}"),
}
"""Secrets that are made while a run goes on, and that nobody keeps: found by how they look."""


def secrets_of(config: StackConfig) -> dict[str, str]:
    """Give every secret of a stack by name; of a key in lines, lines from its middle."""
    key = json.loads(config.addresses.drive_credentials.read_text())["private_key"].splitlines()
    return dict(config.passwords) | {f"line {number} of the Drive account's key": key[number] for number in (3, 11)}


def leaked(secrets: Mapping[str, str], text: bytes) -> list[str]:
    """Name the secrets that a text holds."""
    found = [name for name, secret in secrets.items() if any(form in text for form in _forms(secret))]
    return found + [name for name, pattern in ISSUED.items() if pattern.search(text)]


def tracked_files() -> Iterator[Path]:
    """Give the files of the repository."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=CHECKOUT, capture_output=True, check=True).stdout
    yield from filter(Path.is_file, (CHECKOUT / name for name in listed.decode().split("\0") if name))


def _forms(secret: str) -> Iterator[bytes]:
    raw = secret.encode()
    yield raw
    yield quote(secret, safe="").encode()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for before in range(3):  # where it begins in what was encoded decides over how it looks
            whole = encode(b"\0" * before + raw)
            # The characters that it shares with what stands before and behind it are left out.
            yield whole[(before * 8 + 5) // 6 : (before + len(raw)) * 8 // 6]
