"""Sets up a Databricks workspace, once, as its administrator: who may do what, where data and logs lie, and a cluster."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import NotFound
from databricks.sdk.service.catalog import AzureManagedIdentityRequest, PermissionsChange, Privilege, VolumeType
from databricks.sdk.service.compute import ClusterAccessControlRequest, ClusterPermissionLevel, ClusterSpec
from databricks.sdk.service.iam import ComplexValue

from deployment.azure import Azure, abfss, fill
from deployment.secrets import put_secrets

log = logging.getLogger(__name__)

CATALOG = "transaction_patterns"
CREDENTIAL = "transaction_patterns"
CHUNKS = "transaction_patterns_chunks"
DATABRICKS = "transaction_patterns_databricks"


def set_up(client: WorkspaceClient, azure: Azure, secrets: Mapping[str, str]) -> None:
    """Do all that the job needs of a workspace except its code and a cluster; what is there stays.

    Parameters
    ----------
    client
        The workspace, as its administrator.
    azure
        What the templates have made.
    secrets
        As ``put_secrets`` wants them.
    """
    airflow = azure.airflowClientId
    add_principal(client, airflow)
    put_secrets(client, secrets, reader=airflow)
    share_storage(client, azure)


def add_principal(client: WorkspaceClient, application_id: str) -> None:
    """Let Airflow's service principal into the workspace; it may make the clusters of its runs."""
    if any(client.service_principals_v2.list(filter=f'applicationId eq "{application_id}"')):
        return
    client.service_principals_v2.create(
        application_id=application_id,
        display_name="transaction-patterns-airflow",
        active=True,
        entitlements=[ComplexValue(value="workspace-access"), ComplexValue(value="allow-cluster-create")],
    )
    log.info("service principal %s may use the workspace", application_id)


def share_storage(client: WorkspaceClient, azure: Azure) -> None:
    """Make the external locations: chunks to read, and a container of Databricks' own for the catalog with the clusters' logs.

    The identity behind both is the access connector's. Airflow's principal, as which the job runs, may read files in the first.
    """
    airflow = azure.airflowClientId
    if _lacks(client.storage_credentials.get, CREDENTIAL):
        connector = AzureManagedIdentityRequest(access_connector_id=azure.accessConnectorId)
        client.storage_credentials.create(CREDENTIAL, azure_managed_identity=connector)
    own = abfss(azure.databricksContainer, azure.storageAccount)
    for name, url, read_only in ((CHUNKS, azure.storage_url, True), (DATABRICKS, own, False)):
        if _lacks(client.external_locations.get, name):
            client.external_locations.create(name, url, CREDENTIAL, read_only=read_only)
            log.info("external location %s is %s", name, url)
    reads = PermissionsChange(principal=airflow, add=[Privilege.READ_FILES])
    client.grants.update("external_location", CHUNKS, changes=[reads])
    if _lacks(client.catalogs.get, CATALOG):
        client.catalogs.create(CATALOG, storage_root=own)
    if _lacks(client.schemas.get, f"{CATALOG}.logs"):
        client.schemas.create("logs", CATALOG)
    if _lacks(client.volumes.read, f"{CATALOG}.logs.clusters"):
        client.volumes.create(CATALOG, "logs", "clusters", VolumeType.MANAGED)
    writes = [Privilege.USE_CATALOG, Privilege.USE_SCHEMA, Privilege.READ_VOLUME, Privilege.WRITE_VOLUME]
    client.grants.update("catalog", CATALOG, changes=[PermissionsChange(principal=airflow, add=writes)])


def _lacks(get: Callable[[str], object], name: str) -> bool:
    try:
        get(name)
    except NotFound:
        return True
    return False


def make_cluster(client: WorkspaceClient, application_id: str) -> str:
    """Make the cluster of templates/databricks/cluster.json unless there is one of its name; give its id.

    Airflow's principal may start it: it ends when nothing has run on it for the minutes that the template says.
    """
    spec = ClusterSpec.from_dict(fill("cluster", {"AIRFLOW_CLIENT_ID": application_id}))
    found = [cluster.cluster_id for cluster in client.clusters.list() if cluster.cluster_name == spec.cluster_name]
    cluster_id = str(found[0] if found else client.clusters.create(**vars(spec)).cluster_id)
    may = ClusterAccessControlRequest(service_principal_name=application_id, permission_level=ClusterPermissionLevel.CAN_RESTART)
    client.clusters.update_permissions(cluster_id, access_control_list=[may])
    return cluster_id
