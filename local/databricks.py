"""Serves minilake, a Databricks workspace on this machine, with what the pipeline needs and minilake lacks.

``python -m local.databricks DIRECTORY`` serves the workspace of the stack in that directory. Around minilake:

- a bearer token is asked for, and refused as Databricks refuses it;
- a GET with a JSON body is answered (the Databricks provider's deferrable mode polls like that; minilake reads the query only);
- the blobs that a submitted job reads are mirrored first (``local.mirror``), and the present version of the job is deployed;
- the process of a run ends when the run is cancelled (``local.job_process``).

minilake forgets secrets when it restarts, so they are put there whenever it starts: by ``deployment``, as in a real workspace.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import uvicorn
from azure.core.exceptions import AzureError
from minilake.app import create_app

from feeds.job_code import job_version
from local import job_process
from local.azurite import blob_service
from local.config import BLOB_CONTAINER, JOB_FOLDER, StackConfig, load_config
from local.mirror import mirror_blobs, wanted_blobs

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

log = logging.getLogger(__name__)

_SUBMIT = "/api/2.2/jobs/runs/submit"
_OPEN = ("/_minilake/health", "/_minilake/ready")


class Workspace:
    """The ASGI application: minilake behind the checks and conversions of this module.

    Parameters
    ----------
    config
        The stack whose workspace this is.
    """

    def __init__(self, config: StackConfig) -> None:
        self._config = config
        self._minilake = create_app()
        self._deployed: str | None = None
        self._deploying = asyncio.Lock()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._minilake(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is not None:
            await _answer(send, *refusal)
            return
        body = await _read(receive)
        if scope["method"] == "GET" and body:
            scope, body = _body_as_query(scope, body), b""
        elif scope["method"] == "POST" and scope["path"] == _SUBMIT:
            try:
                await self._before_submit(body)
            except (AzureError, OSError) as error:
                await _answer(send, 503, "TEMPORARILY_UNAVAILABLE", f"Storage is not available: {error}")
                return
        await self._minilake(scope, _replay(body, receive), send)

    async def deploy(self) -> None:
        """Put the secrets into the workspace, and the job whenever its files have changed.

        Through the API of this service, which therefore must have begun to take requests.
        """
        async with self._deploying:
            version = job_version()
            if self._deployed != version:
                await asyncio.to_thread(_deploy, self._config, secrets=self._deployed is None)
                self._deployed = version

    async def deploy_soon(self) -> None:
        """Deploy as soon as requests are taken. What fails now is tried again, and told, when a job is submitted."""
        try:
            await self.deploy()
        except OSError as error:
            log.warning("Not deployed yet: %s", error)

    async def _before_submit(self, body: bytes) -> None:
        await self.deploy()
        names = [name for parameters in _job_parameters(body) for name in wanted_blobs(parameters)]
        if names:
            await asyncio.to_thread(self._mirror, names)

    def _mirror(self, names: list[str]) -> None:
        with blob_service(self._config) as service:
            mirror_blobs(service.get_container_client(BLOB_CONTAINER), self._config.addresses.mirror_dir, names)

    def _refusal(self, scope: MutableMapping[str, Any]) -> tuple[int, str, str] | None:
        if scope["path"] in _OPEN:
            return None
        given = dict(scope["headers"]).get(b"authorization", b"")
        if not given:
            return 401, "401", "Credential was not sent or was of an unsupported type for this API."
        if not hmac.compare_digest(given, f"Bearer {self._config.addresses.databricks_token}".encode()):
            return 403, "403", "Invalid access token."
        return None


def _deploy(config: StackConfig, *, secrets: bool) -> None:
    from databricks.sdk import WorkspaceClient  # takes seconds to import

    from deployment.job import deploy_job
    from deployment.secrets import put_secrets

    addresses = config.addresses
    client = WorkspaceClient(host=addresses.databricks_url, token=addresses.databricks_token, auth_type="pat")
    if secrets:
        ledger = {
            "LEDGER_JDBC_URL": addresses.ledger_jdbc_url,
            "LEDGER_USER": addresses.ledger_user,
            "LEDGER_PASSWORD": addresses.ledger_password,
        }
        put_secrets(client, ledger)
    deploy_job(client, JOB_FOLDER)


def _job_parameters(body: bytes) -> list[list[str]]:
    """Parameters of the Python tasks in a submission; what is not understood is minilake's to refuse."""
    try:
        tasks = json.loads(body).get("tasks") or []
        found = [task["spark_python_task"].get("parameters") or [] for task in tasks if task.get("spark_python_task")]
    except (ValueError, AttributeError, KeyError, TypeError):
        return []
    return [[str(part) for part in parameters] for parameters in found]


def _body_as_query(scope: MutableMapping[str, Any], body: bytes) -> MutableMapping[str, Any]:
    try:
        given = json.loads(body)
    except ValueError:
        return scope
    if not isinstance(given, dict):
        return scope
    query = "&".join(part for part in (scope["query_string"].decode(), urlencode(given)) if part)
    headers = [(name, value) for name, value in scope["headers"] if name not in (b"content-length", b"content-type")]
    return {**scope, "query_string": query.encode(), "headers": headers}


async def _read(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body"):
            return b"".join(parts)


def _replay(body: bytes, receive: Receive) -> Receive:
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return messages.pop() if messages else await receive()

    return receive_again


async def _answer(send: Send, status: int, error_code: str, message: str) -> None:
    body = json.dumps({"error_code": error_code, "message": message}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def create_workspace(config: StackConfig) -> Workspace:
    """Build the application; its secrets and the job are there before a job runs."""
    job_process.install()
    workspace = Workspace(config)
    router = workspace._minilake.router
    minilake_lifespan = router.lifespan_context

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[Any]:
        async with minilake_lifespan(app) as state:
            deploying = asyncio.create_task(workspace.deploy_soon())
            yield state
            deploying.cancel()

    router.lifespan_context = lifespan
    return workspace


def serve(config: StackConfig) -> None:
    """Serve until ended."""
    workspace = create_workspace(config)
    uvicorn.run(workspace, host=config.listen, port=config.ports["minilake"], log_level="warning", access_log=False)


if __name__ == "__main__":
    serve(load_config(Path(sys.argv[1])))
