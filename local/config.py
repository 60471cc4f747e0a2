"""What one stack is made of: its directory, its ports, its generated secrets, and the addresses that follow from them."""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

LOOPBACK = "127.0.0.1"
CHECKOUT = Path(__file__).resolve().parent.parent
BLOB_ACCOUNT = "transactionpatterns"
BLOB_CONTAINER = "transaction-patterns"
LEDGER_ROLES = ("ledger_owner", "ledger_writer", "ledger_reader")
SECRET_PREFIX = "SECRET_"  # noqa: S105 -- how the names of variables begin
JOB_FOLDER = "/Workspace/Shared/transaction-patterns"
"""Below which folder of the Databricks workspace the job is deployed, a folder for each version."""


def secret_variable(name: str) -> str:
    """Environment variable in which a container finds a password of :data:`NEW_PASSWORDS`; the same in ``.env``."""
    return SECRET_PREFIX + name.upper()


class StackError(RuntimeError):
    """The stack cannot be started or used; the message says why and what to do."""


@dataclass(frozen=True)
class Addresses:
    """How to reach the services of a stack."""

    airflow_url: str
    airflow_user: str
    airflow_password: str
    ledger_dsn: str
    ledger_owner_dsn: str
    ledger_reader_dsn: str
    ledger_jdbc_url: str
    ledger_user: str
    ledger_password: str
    blob_connection_string: str
    blob_container: str
    storage_url: str
    mirror_dir: Path
    drive_url: str
    drive_root: Path
    drive_credentials: Path
    databricks_url: str
    databricks_token: str
    spark_remote: str
    connections_file: Path


@dataclass(frozen=True)
class StackConfig:
    """Everything that was picked or generated for one stack.

    Parameters
    ----------
    directory
        Where the stack keeps its data, logs and generated files.
    ports
        Service name to TCP port.
    passwords
        Generated passwords, keys and tokens by name.
    hosts
        Service name to the host that it is on; one that is not named is on this machine, and reached by loopback only.
    listen
        The address on which services listen.
    """

    directory: Path
    ports: Mapping[str, int]
    passwords: Mapping[str, str]
    hosts: Mapping[str, str] = field(default_factory=dict)
    listen: str = LOOPBACK

    def host(self, service: str) -> str:
        """Host under which others reach a service."""
        return self.hosts.get(service, LOOPBACK)

    def at(self, service: str) -> str:
        """Host and port of a service, as an address has them."""
        return f"{self.host(service)}:{self.ports[service]}"

    @property
    def addresses(self) -> Addresses:
        """The addresses that follow from ports and passwords."""
        ledger = f"{self.at('postgres')}/ledger"
        blob_endpoint = f"http://{self.at('azurite')}/{BLOB_ACCOUNT}"
        mirror = self.directory / "mirror"
        return Addresses(
            airflow_url=f"http://{self.at('airflow')}",
            airflow_user="admin",
            airflow_password=self.passwords["airflow"],
            ledger_dsn=f"postgresql://ledger_writer:{self.passwords['ledger_writer']}@{ledger}",
            ledger_owner_dsn=f"postgresql://ledger_owner:{self.passwords['ledger_owner']}@{ledger}",
            ledger_reader_dsn=f"postgresql://ledger_reader:{self.passwords['ledger_reader']}@{ledger}",
            ledger_jdbc_url=f"jdbc:postgresql://{ledger}",
            ledger_user="ledger_writer",
            ledger_password=self.passwords["ledger_writer"],
            blob_connection_string=(
                f"DefaultEndpointsProtocol=http;AccountName={BLOB_ACCOUNT};"
                f"AccountKey={self.passwords['blob_key']};BlobEndpoint={blob_endpoint};"
            ),
            blob_container=BLOB_CONTAINER,
            storage_url=mirror.as_uri(),
            mirror_dir=mirror,
            drive_url=f"http://{self.at('drive')}",
            drive_root=self.directory / "drive",
            drive_credentials=self.directory / "drive-credentials.json",
            databricks_url=f"http://{self.at('minilake')}",
            databricks_token=self.passwords["databricks_token"],
            spark_remote=f"sc://{self.at('spark')}",
            connections_file=self.directory / "connections.json",
        )

    def save(self) -> None:
        """Write ``stack.json``: ports and passwords to start with again, addresses for whoever wants to read them."""
        addresses = {name: str(value) for name, value in asdict(self.addresses).items()}
        stored = {"ports": dict(self.ports), "passwords": dict(self.passwords), "addresses": addresses}
        write_private(self.directory / "stack.json", json.dumps(stored, indent=2) + "\n")


def _key(size: int) -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(size)).decode()


def _password() -> str:
    return secrets.token_urlsafe(24)


NEW_PASSWORDS: Mapping[str, Callable[[], str]] = {
    "postgres": _password,
    "airflow_db": _password,
    **dict.fromkeys(LEDGER_ROLES, _password),
    "airflow": lambda: secrets.token_urlsafe(12),
    "airflow_jwt": lambda: _key(64),
    "airflow_api": lambda: _key(48),
    "airflow_fernet": lambda: _key(32),
    "databricks_token": lambda: "dapi" + secrets.token_hex(16),
    "blob_key": lambda: base64.b64encode(secrets.token_bytes(64)).decode(),
}
"""The passwords, keys and tokens of a stack by name, each as what makes a new one."""


def default_directory() -> Path:
    """Directory of the stack: ``STACK_DIR``, or ``.stack`` in the checkout."""
    return Path(os.environ.get("STACK_DIR") or CHECKOUT / ".stack").absolute()


def load_config(directory: Path) -> StackConfig:
    """Read ``stack.json``; what it lacks is generated (ports stay unset until they are picked).

    Raises
    ------
    StackError
        The file cannot be read as the JSON that :meth:`StackConfig.save` writes.
    """
    path = directory / "stack.json"
    try:
        stored = json.loads(path.read_text())
        ports, passwords = dict(stored["ports"]), dict(stored["passwords"])
    except FileNotFoundError:
        ports, passwords = {}, {}
    except (ValueError, KeyError, TypeError) as error:
        raise StackError(f"{path} is damaged ({error}); stop what runs and delete {directory} to start afresh") from error
    # One that nothing uses any more is forgotten.
    return StackConfig(directory, ports, {name: passwords.get(name) or new() for name, new in NEW_PASSWORDS.items()})


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    partial = path.with_name(f".{path.name}.new")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    partial.replace(path)


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Let one process at a time start or stop the stack of a directory."""
    import fcntl

    with (directory / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
