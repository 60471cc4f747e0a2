"""The Drive stand-in as a service of the stack."""

from __future__ import annotations

import json
import sys

import httpx

from local.config import CHECKOUT, StackConfig
from local.programs import Program
from local.services import Service


def _prepare(config: StackConfig) -> None:
    addresses = config.addresses
    addresses.drive_root.mkdir(exist_ok=True)
    ensure_credentials(config)


def ensure_credentials(config: StackConfig) -> None:
    """Make the service account's key file, unless there is one that names this stand-in's token endpoint."""
    from local.drive_standin import make_credentials

    addresses = config.addresses
    token_uri = f"{addresses.drive_url}/token"
    try:
        known = json.loads(addresses.drive_credentials.read_text())["token_uri"]
    except (FileNotFoundError, ValueError, KeyError):
        known = None
    if known != token_uri:
        make_credentials(addresses.drive_credentials, token_uri)
        addresses.drive_credentials.chmod(0o600)


def _programs(config: StackConfig) -> list[Program]:
    addresses = config.addresses
    command = [
        sys.executable, "-m", "local.drive_standin", "--root", str(addresses.drive_root),
        "--host", config.listen, "--port", str(config.ports["drive"]), "--credentials", str(addresses.drive_credentials),
    ]  # fmt: skip
    return [Program("drive", command, CHECKOUT)]


def _check(config: StackConfig) -> None:
    httpx.get(f"{config.addresses.drive_url}/standin/health", timeout=5, trust_env=False).raise_for_status()


SERVICE = Service("drive", ("drive",), _programs, _check, _prepare)
