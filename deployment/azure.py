"""What the deployment of templates/azure has made: its outputs, and the templates of Databricks filled in with them."""

from __future__ import annotations

import json
import re
import string
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

TEMPLATES = Path(__file__).resolve().parent.parent / "templates" / "databricks"


@dataclass(frozen=True)
class Azure:
    """The outputs of templates/azure/main.json; the names of the fields are theirs."""

    tenantId: str
    airflowClientId: str
    storageAccount: str
    container: str
    databricksContainer: str
    ledgerHost: str
    ledgerDatabase: str
    databricksHost: str
    accessConnectorId: str
    keyVault: str

    @classmethod
    def read(cls, path: Path) -> Azure:
        """Read what ``az deployment group show --query properties.outputs`` prints.

        Raises
        ------
        ValueError
            An output is missing: the file is of something else, or of an older template.
        """
        outputs = json.loads(path.read_text())
        names = [field.name for field in fields(cls)]
        if missing := [name for name in names if name not in outputs]:
            raise ValueError(f"{path} lacks the outputs {', '.join(missing)}; deploy templates/azure/main.json again")
        return cls(**{name: outputs[name]["value"] for name in names})

    @property
    def storage_url(self) -> str:
        """What comes before a blob's name where Spark reads it."""
        return abfss(self.container, self.storageAccount)

    @property
    def ledger_jdbc_url(self) -> str:
        """The ledger for the job: by TLS, the server's certificate and name checked against the authorities that Java knows."""
        tls = "sslmode=verify-full&sslfactory=org.postgresql.ssl.DefaultJavaSSLFactory"
        return f"jdbc:postgresql://{self.ledgerHost}:5432/{self.ledgerDatabase}?{tls}"


def abfss(container: str, account: str) -> str:
    """Give the address of a container as Spark wants it: by the endpoint of Data Lake Storage, never without TLS."""
    return f"abfss://{container}@{account}.dfs.core.windows.net"


def fill(name: str, values: Mapping[str, str]) -> Any:
    """Read a template of Databricks, and put the values where it says ``${NAME}``.

    Raises
    ------
    ValueError
        A value is missing.
    """
    text = (TEMPLATES / f"{name}.json").read_text()
    if missing := sorted({wanted for wanted in re.findall(r"\$\{(\w+)\}", text) if not values.get(wanted)}):
        raise ValueError(f"templates/databricks/{name}.json needs {', '.join(missing)}")
    return json.loads(string.Template(text).substitute(values))
