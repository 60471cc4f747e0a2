"""The service account that the stand-in knows: its key file, and the Airflow connection that uses it."""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

DRIVE_SCOPE = "https://www.googleapis.com/auth/drive.readonly"
ACCOUNT = "transaction-patterns@local-standin.iam.gserviceaccount.com"


def make_credentials(path: Path, token_uri: str) -> None:
    """Write a service account's key file with a new RSA key, readable by its owner only.

    Parameters
    ----------
    path
        Where to write it; an older one is replaced.
    token_uri
        Address of the token endpoint, e.g. ``http://127.0.0.1:8093/token``, which accepts this account's tokens.
    """
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
    content = {
        "type": "service_account",
        "project_id": "local-standin",
        "private_key_id": uuid.uuid4().hex,
        "private_key": pem,
        "client_email": ACCOUNT,
        "client_id": "100000000000000000000",
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": token_uri,
        "auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs",
        "client_x509_cert_url": f"https://www.googleapis.com/robot/v1/metadata/x509/{ACCOUNT.replace('@', '%40')}",
        "universe_domain": "googleapis.com",
    }
    path.unlink(missing_ok=True)  # an older file could have wider permissions
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(content, file, indent=2)


def drive_connection(url: str, credentials: Path, num_retries: int = 5) -> dict[str, Any]:
    """Give the Airflow connection that reads from a stand-in; as JSON it is the value of ``AIRFLOW_CONN_DRIVE``.

    Parameters
    ----------
    url
        Address of the stand-in, e.g. ``http://127.0.0.1:8093``.
    credentials
        Key file of the service account.
    num_retries
        How often a request is repeated.
    """
    return {
        "conn_type": "google_cloud_platform",
        "extra": {
            "keyfile_dict": json.loads(credentials.read_text()),
            "scope": DRIVE_SCOPE,
            "num_retries": num_retries,
            "drive_endpoint": f"{url.rstrip('/')}/drive/v3/",
        },
    }
