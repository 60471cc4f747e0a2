"""What puts the pipeline into a workspace, against minilake: the same commands and code as for a real one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import NotImplemented as NotImplementedByMinilake
from databricks.sdk.errors import PermissionDenied
from databricks.sdk.service.workspace import AclPermission

from deployment.job import deploy_job
from deployment.secrets import KEYS, STORAGE_KEYS, put_secrets
from deployment.workspace import make_cluster
from feeds import job_code
from local.config import CHECKOUT, JOB_FOLDER, Addresses
from local.stack import Stack

FOLDER = "/Workspace/Users/deployer/transaction-patterns"


@pytest.fixture(scope="module")
def addresses(stack: Stack) -> Addresses:
    stack.start(("azurite", "minilake"))
    return stack.addresses


@pytest.fixture(scope="module")
def client(addresses: Addresses) -> WorkspaceClient:
    return WorkspaceClient(host=addresses.databricks_url, token=addresses.databricks_token, auth_type="pat")


@pytest.fixture(scope="module")
def files(addresses: Addresses) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {addresses.databricks_token}"}
    with httpx.Client(base_url=f"{addresses.databricks_url}/api/2.0/workspace-files", headers=headers, timeout=30) as files:
        yield files


def command(addresses: Addresses, *arguments: str) -> subprocess.CompletedProcess[str]:
    login = {"DATABRICKS_HOST": addresses.databricks_url, "DATABRICKS_TOKEN": addresses.databricks_token}
    given = {name: value for name, value in os.environ.items() if not name.startswith(("DATABRICKS_", "ARM_"))} | login
    run = [sys.executable, "-m", "deployment", *arguments]
    return subprocess.run(run, env=given, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=120)


def test_one_command_deploys_every_file_and_prints_what_to_run(addresses: Addresses, files: httpx.Client) -> None:
    done = command(addresses, "job", "--folder", FOLDER)
    assert (done.returncode, done.stdout) == (0, f"{FOLDER}/{job_code.job_version()}/detect_patterns.py\n"), done.stderr
    for name, content in job_code.job_files().items():
        assert files.get(f"{FOLDER}/{job_code.job_version()}/{name}").raise_for_status().content == content
    again = command(addresses, "job", "--folder", FOLDER)
    assert again.stdout == done.stdout
    assert "is there already" in again.stderr


def test_a_login_that_is_refused_is_told_in_a_line(addresses: Addresses) -> None:
    refused = command(replace(addresses, databricks_token="dapi-wrong"), "job")
    assert refused.returncode == 1
    assert refused.stderr.strip().splitlines()[-1].startswith(PermissionDenied.__name__)


def test_another_version_leaves_the_code_of_a_run_that_goes_on(
    client: WorkspaceClient, files: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = deploy_job(client, FOLDER)
    content = files.get(before).content
    (tmp_path / job_code.ENTRY).write_text("print('the next version')\n")
    changed = {job_code.ENTRY: (tmp_path / job_code.ENTRY).read_bytes()}
    with monkeypatch.context() as patch:
        patch.setattr("deployment.job.job_files", lambda: changed)
        patch.setattr("deployment.job.version_folder", lambda folder: f"{folder}/{job_code.job_version(tmp_path)}")
        after = deploy_job(client, FOLDER)
    assert after != before
    assert (files.get(before).content, files.get(after).content) == (content, changed[job_code.ENTRY])


def test_a_deployment_that_was_killed_is_completed(client: WorkspaceClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed before the file that is executed was there: it comes last, so nothing can run half of a version."""

    class Killed(BaseException):
        pass

    import_file = client.workspace.import_

    def killed_at_the_entry(path: str, **given: Any) -> None:
        if path.endswith(f"/{job_code.ENTRY}"):
            raise Killed
        import_file(path, **given)

    monkeypatch.setattr(client.workspace, "import_", killed_at_the_entry)
    folder = f"{FOLDER}-killed"
    with pytest.raises(Killed):
        deploy_job(client, folder)
    monkeypatch.setattr(client.workspace, "import_", import_file)
    entry = deploy_job(client, folder)
    assert client.workspace.get_status(entry).path == entry


def test_the_stack_itself_is_deployed_to_like_that(client: WorkspaceClient) -> None:
    """When it is asked to run a job, at the latest; here the first test of a stack that has just started may come before that."""
    deploy_job(client, JOB_FOLDER)
    entry = f"{job_code.version_folder(JOB_FOLDER)}/{job_code.ENTRY}"
    assert client.workspace.get_status(entry).path == entry


def test_secrets_are_put_once_and_again_and_may_be_read_by_one(client: WorkspaceClient, monkeypatch: pytest.MonkeyPatch) -> None:
    scope = "another-scope"  # the stack's jobs use the real one
    monkeypatch.setattr("deployment.secrets.SCOPE", scope)
    for value in ("old", "new"):
        put_secrets(client, dict.fromkeys([*KEYS, *STORAGE_KEYS], value), reader="the-principal")
    assert {secret.key for secret in client.secrets.list_secrets(scope)} == {*KEYS.values(), *STORAGE_KEYS.values()}
    (acl,) = [acl for acl in client.secrets.list_acls(scope) if acl.principal == "the-principal"]
    assert acl.permission == AclPermission.READ


def test_a_cluster_is_made_once(client: WorkspaceClient) -> None:
    """Its permissions are asked for after that: minilake has none, and says so."""
    with pytest.raises(NotImplementedByMinilake):
        make_cluster(client, "the-principal")
    with pytest.raises(NotImplementedByMinilake):
        make_cluster(client, "the-principal")
    (cluster,) = [c for c in client.clusters.list() if c.cluster_name == "transaction-patterns"]
    assert cluster.spark_version == "18.x-scala2.13"
