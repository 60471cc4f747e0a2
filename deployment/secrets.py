"""Puts the ledger's address and login into a secret scope of the workspace, from which the cluster gives them to the job."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from databricks.sdk import WorkspaceClient
from databricks.sdk.service.workspace import AclPermission

log = logging.getLogger(__name__)

SCOPE = "transaction-patterns"
KEYS = {
    "LEDGER_JDBC_URL": "ledger-jdbc-url",
    "LEDGER_USER": "ledger-user",
    "LEDGER_PASSWORD": "ledger-password",
}
"""The job's environment variables, and under which key of the scope each lies. A cluster names the keys, never the values."""

STORAGE_KEYS = {"STORAGE_CLIENT_ID": "storage-client-id", "STORAGE_CLIENT_SECRET": "storage-client-secret"}
"""The same for a service principal that reads the chunks, where Unity Catalog does not."""


def put_secrets(client: WorkspaceClient, values: Mapping[str, str], reader: str | None = None) -> None:
    """Make the scope, put the secrets into it, and let one principal read them.

    Parameters
    ----------
    client
        The workspace.
    values
        The values by the names in ``KEYS``, and, where it is used, in ``STORAGE_KEYS``.
    reader
        Application id of the service principal that submits the job; ``None``: whoever made the scope does.
    """
    if SCOPE not in [scope.name for scope in client.secrets.list_scopes()]:
        client.secrets.create_scope(SCOPE)
    keys = {**KEYS, **{name: key for name, key in STORAGE_KEYS.items() if values.get(name)}}
    for name, key in keys.items():
        client.secrets.put_secret(SCOPE, key, string_value=values[name])
    if reader is not None:
        client.secrets.put_acl(SCOPE, reader, AclPermission.READ)
    log.info("secret scope %s has %s", SCOPE, ", ".join(keys.values()))
