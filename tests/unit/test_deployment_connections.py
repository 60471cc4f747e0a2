"""The connections of an installation on Azure: the providers' own hooks take them, up to the first request."""

from __future__ import annotations

import asyncio
import json
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.databricks.hooks.databricks import DatabricksHook
from airflow.providers.google.suite.hooks.drive import GoogleDriveHook
from airflow.providers.microsoft.azure.hooks.wasb import WasbAsyncHook, WasbHook
from airflow.providers.microsoft.azure.secrets.key_vault import AzureKeyVaultBackend
from airflow.providers.postgres.hooks.postgres import PostgresHook
from azure.identity import ClientSecretCredential
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from deployment.__main__ import main
from deployment.azure import Azure
from feeds.blobs import container_name, storage_url
from local.config import CHECKOUT

CLIENT, TENANT = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"
AZURE = {
    "tenantId": TENANT, "airflowClientId": CLIENT, "storageAccount": "patternsabc", "container": "transaction-patterns",
    "databricksContainer": "databricks", "ledgerHost": "ledger-abc.postgres.database.azure.com", "ledgerDatabase": "ledger",
    "databricksHost": "https://adb-1.2.azuredatabricks.net", "accessConnectorId": "/subscriptions/x", "keyVault": "patterns-abc",
}  # fmt: skip
GIVEN = {
    "AIRFLOW_CLIENT_SECRET": "of-airflow", "LEDGER_OWNER_PASSWORD": "of-owner", "LEDGER_WRITER_PASSWORD": "of-writer",
    "LEDGER_READER_PASSWORD": "of-reader", "CLUSTER_ID": "1126-140000-abcdefgh",
}  # fmt: skip
NAMES = ("drive", "blob", "databricks", "ledger", "ledger_owner", "ledger_reader")


@pytest.fixture(scope="module")
def key() -> dict[str, str]:
    """A service account's key as Google makes it."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    return {
        "type": "service_account",
        "client_email": "transaction-patterns@p.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
        "private_key": pem,
    }


@pytest.fixture
def written(tmp_path: Path, key: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Run ``make connections``, and hand what it writes to Airflow."""
    (tmp_path / "azure.json").write_text(json.dumps({name: {"type": "String", "value": value} for name, value in AZURE.items()}))
    (tmp_path / "key.json").write_text(json.dumps(key))
    for name, value in {**GIVEN, "DRIVE_KEY": str(tmp_path / "key.json")}.items():
        monkeypatch.setenv(name, value)

    def write(compute: str = "existing-cluster") -> Path:
        out = tmp_path / "connections"
        main(
            ["connections", "--azure", str(tmp_path / "azure.json"), "--compute", compute, "--out", str(out), "--folder", "/W/tp"]
        )
        for name in NAMES:
            monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", (out / f"{secret(name)}.json").read_text())
        return out

    return write


def secret(conn_id: str) -> str:
    """Name that Airflow's backend looks a connection up by."""
    return AzureKeyVaultBackend.build_path("airflow-connections", conn_id)


def test_there_is_a_file_for_each_under_the_name_that_airflow_looks_for(written: Callable[..., Path]) -> None:
    out = written()
    assert {path.stem for path in out.iterdir()} == {secret(name) for name in NAMES}
    assert {stat.S_IMODE(path.stat().st_mode) for path in out.iterdir()} == {0o600}


def test_the_example_for_docker_compose_has_the_same_fields(written: Callable[..., Path]) -> None:
    text = (CHECKOUT / "connections.env.example").read_text()
    examples = dict(re.findall(r"^AIRFLOW_CONN_(\w+)='([^']*)'$", text, re.MULTILINE))
    assert list(examples) == [name.upper() for name in NAMES]
    out = written()
    for name in NAMES:
        example = json.loads(re.sub(r": <[^>]*>", ": {}", examples[name.upper()]))
        real = json.loads((out / f"{secret(name)}.json").read_text())
        assert set(example) == set(real) - {"port"}
        assert set(example["extra"]) == set(real["extra"]) - {"num_retries"}


def test_blobs_are_reached_as_the_service_principal(written: Callable[..., Path]) -> None:
    written()
    service = WasbHook("blob").get_conn()
    assert service.url == "https://patternsabc.blob.core.windows.net/"
    assert isinstance(service.credential, ClientSecretCredential)
    assert (container_name(), storage_url()) == (
        "transaction-patterns",
        "abfss://transaction-patterns@patternsabc.dfs.core.windows.net",
    )


def test_so_does_the_sensor(written: Callable[..., Path]) -> None:
    async def url() -> str:
        async with await WasbAsyncHook("blob").get_async_conn() as service:
            return str(service.url)

    written()
    assert asyncio.run(url()) == "https://patternsabc.blob.core.windows.net/"


@pytest.mark.parametrize("compute", ["existing-cluster", "job-cluster", "serverless"])
def test_databricks_is_asked_with_a_token_for_it(
    written: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, compute: str
) -> None:
    written(compute)
    asked: list[str] = []

    def token(_hook: DatabricksHook, resource: str) -> str:
        asked.append(resource)
        return "token"

    monkeypatch.setattr(DatabricksHook, "_get_aad_token", token)
    hook = DatabricksHook("databricks")
    assert hook.host == "adb-1.2.azuredatabricks.net"
    assert hook._get_token() == "token"
    assert asked == ["2ff814a6-3304-4ab8-85cb-cd0e6f879c1d"], "the id of Databricks in every directory"
    assert (hook.databricks_conn.login, hook.databricks_conn.password) == (CLIENT, "of-airflow")
    extra = hook.databricks_conn.extra_dejson
    assert extra["azure_tenant_id"] == TENANT
    assert extra["job_folder"] == "/W/tp"
    assert extra["compute"].get("existing_cluster_id") == (GIVEN["CLUSTER_ID"] if compute == "existing-cluster" else None)


def test_drive_reads_with_the_key_and_may_do_nothing_else(written: Callable[..., Path], key: dict[str, str]) -> None:
    written()
    credentials: Any = GoogleDriveHook(gcp_conn_id="drive").get_credentials()
    assert credentials.service_account_email == key["client_email"]
    assert credentials.scopes == ["https://www.googleapis.com/auth/drive.readonly"]


@pytest.mark.parametrize(
    ("conn_id", "role", "password"),
    [
        ("ledger", "ledger_writer", "of-writer"),
        ("ledger_owner", "ledger_owner", "of-owner"),
        ("ledger_reader", "ledger_reader", "of-reader"),
    ],
)
def test_the_ledger_is_reached_by_tls_as_each_role(
    written: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, conn_id: str, role: str, password: str
) -> None:
    written()
    asked: dict[str, Any] = {}

    def connect(*_args: Any, **given: Any) -> Any:
        asked.update(given)
        raise ConnectionError

    monkeypatch.setattr("psycopg.connect", connect)
    monkeypatch.setattr("psycopg.Connection.connect", connect)
    with pytest.raises(ConnectionError):
        PostgresHook(conn_id).get_conn()
    assert (asked["user"], asked["password"], asked["dbname"]) == (role, password, "ledger")
    assert asked["host"] == AZURE["ledgerHost"]
    assert (asked["sslmode"], asked["sslrootcert"]) == ("verify-full", "/etc/ssl/certs/ca-certificates.crt")


def test_the_job_reaches_the_ledger_by_tls() -> None:
    assert Azure(**AZURE).ledger_jdbc_url == (
        "jdbc:postgresql://ledger-abc.postgres.database.azure.com:5432/ledger"
        "?sslmode=verify-full&sslfactory=org.postgresql.ssl.DefaultJavaSSLFactory"
    )


@pytest.mark.parametrize("name", [*GIVEN, "DRIVE_KEY"])
def test_what_is_not_given_is_named(written: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.delenv(name)
    with pytest.raises(SystemExit, match=rf"^ValueError: .*{name}"):
        written()
    assert name not in os.environ
