"""Puts the code of the detection job into the workspace."""

from __future__ import annotations

import base64
import logging

from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import NotFound
from databricks.sdk.service.workspace import ImportFormat

from feeds.job_code import ENTRY, job_files, version_folder

log = logging.getLogger(__name__)


def deploy_job(client: WorkspaceClient, folder: str) -> str:
    """Put this version of the job below a folder of the workspace, and give the path of the file that is executed.

    Versions that are there already stay as they are: a run may be reading them. Crash window: killed midway, it leaves a folder
    without the file that is executed, which comes last; repeated, it completes it.

    Parameters
    ----------
    client
        The workspace.
    folder
        The folder below which each version has a folder of its own.
    """
    version = version_folder(folder)
    entry = f"{version}/{ENTRY}"
    try:
        client.workspace.get_status(entry)
    except NotFound:
        pass
    else:
        log.info("%s is there already", entry)
        return entry
    made = set()
    for name, content in job_files().items():
        path = f"{version}/{name}"
        parent = path.rpartition("/")[0]
        if parent not in made:
            client.workspace.mkdirs(parent)
            made.add(parent)
        # As JSON, not with `upload`: minilake has this one. AUTO keeps a file what is no notebook.
        text = base64.b64encode(content).decode()
        client.workspace.import_(path, content=text, format=ImportFormat.AUTO, overwrite=True)
    log.info("%s deployed", entry)
    return entry
