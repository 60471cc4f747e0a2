"""The templates for Azure: what they would deploy is known to Azure's interfaces, refers to itself correctly, keeps our policy.

There is no Azure here. What remains is what Azure itself checks when it deploys, such as whether a size exists in a region.
"""

from __future__ import annotations

import importlib
import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from deployment.azure import Azure
from tests.arm import Template, named
from tests.azure_models import unknown_of_model

FOLDER = Path(__file__).resolve().parents[2] / "templates" / "azure"
TEMPLATE = json.loads((FOLDER / "main.json").read_text())
GIVEN = {
    "airflowClientId": "a" * 36, "airflowPrincipalId": "b" * 36, "deployerPrincipalId": "c" * 36,
    "airflowAddresses": ["203.0.113.7", "203.0.113.9"], "ledgerAdministratorPassword": "not-a-secret-000",
}  # fmt: skip
SIZES = {path.name.partition(".")[0]: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.parameters.json"))}
VARIANTS: dict[str, dict[str, Any]] = {
    "defaults": {},
    **{size: {name: given["value"] for name, given in file["parameters"].items()} for size, file in SIZES.items()},
    "in Azure": {"airflowSubnets": ["/subscriptions/x/subnets/airflow"], "deleteChunksAfterDays": 400, "name": "elevenchars"},
}
MODELS = {
    "Microsoft.Storage/storageAccounts": ("storage", "StorageAccountCreateParameters"),
    "Microsoft.Storage/storageAccounts/blobServices": ("storage", "BlobServiceProperties"),
    "Microsoft.Storage/storageAccounts/blobServices/containers": ("storage", "BlobContainer"),
    "Microsoft.Storage/storageAccounts/managementPolicies": ("storage", "ManagementPolicy"),
    "Microsoft.DBforPostgreSQL/flexibleServers": ("postgresqlflexibleservers", "Server"),
    "Microsoft.DBforPostgreSQL/flexibleServers/configurations": ("postgresqlflexibleservers", "Configuration"),
    "Microsoft.DBforPostgreSQL/flexibleServers/firewallRules": ("postgresqlflexibleservers", "FirewallRule"),
    "Microsoft.Network/networkSecurityGroups": ("network", "NetworkSecurityGroup"),
    "Microsoft.Network/publicIPAddresses": ("network", "PublicIPAddress"),
    "Microsoft.Network/natGateways": ("network", "NatGateway"),
    "Microsoft.Network/virtualNetworks": ("network", "VirtualNetwork"),
    "Microsoft.Databricks/accessConnectors": ("databricks", "AccessConnector"),
    "Microsoft.Databricks/workspaces": ("databricks", "Workspace"),
    "Microsoft.KeyVault/vaults": ("keyvault", "VaultCreateOrUpdateParameters"),
}
"""By type of resource: Azure's library for it, and its model there."""
ROLE = "Microsoft.Authorization/roleAssignments"
OF_TEMPLATES = {"type", "apiVersion", "name", "dependsOn", "scope", "comments"}


@pytest.fixture(params=VARIANTS)
def resources(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    return list(Template(TEMPLATE, GIVEN | VARIANTS[request.param]).resources())


def of_type(resources: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    found = [resource for resource in resources if resource["type"] == kind]
    assert found
    return found


def one(resources: list[dict[str, Any]], kind: str) -> Any:
    (resource,) = of_type(resources, kind)
    return resource["properties"]


def resource_id(resource: dict[str, Any]) -> str:
    return named(resource["type"], tuple(resource["name"].split("/")))


def test_azure_knows_every_property_and_value(resources: list[dict[str, Any]]) -> None:
    found: list[str] = []
    for resource in resources:
        if resource["type"] != ROLE:
            name, model = MODELS[resource["type"]]
            models = importlib.import_module(f"azure.mgmt.{name}.models")
            own = {key: value for key, value in resource.items() if key not in OF_TEMPLATES}
            found += unknown_of_model(own, getattr(models, model), models, resource["type"])
    assert found == []


def test_the_check_finds_what_is_wrong() -> None:
    models = importlib.import_module("azure.mgmt.postgresqlflexibleservers.models")
    wrong = {
        "location": "here",
        "properties": {
            "version": 17,
            "hihgAvailability": {},
            "highAvailability": {"mode": "Twice"},
            "storage": {"storageSizeGB": "32"},
        },
    }
    assert list(unknown_of_model(wrong, models.Server, models, "server")) == [
        "server.properties.version: 17 is no str",
        "server.properties: ServerProperties has no hihgAvailability",
        "server.properties.highAvailability.mode: 'Twice' is no PostgreSqlFlexibleServerHighAvailabilityMode",
        "server.properties.storage.storageSizeGB: '32' is no int",
    ]


def test_the_versions_are_those_of_the_models() -> None:
    for resource in TEMPLATE["resources"]:
        if resource["type"] != ROLE:
            package = importlib.import_module(f"azure.mgmt.{MODELS[resource['type']][0]}")
            sources = Path(str(package.__file__)).parent
            text = "".join(path.read_text() for path in [sources / "_configuration.py", *(sources / "operations").glob("*.py")])
            assert f'"{resource["apiVersion"]}"' in text, resource["type"]


def test_what_is_depended_on_is_deployed_before(resources: list[dict[str, Any]]) -> None:
    before: set[str] = set()
    for resource in sorted(resources, key=lambda resource: len(resource.get("dependsOn", []))):
        before.add(resource_id(resource))
    waiting = {resource_id(r): {d.partition("/providers/")[2] for d in r.get("dependsOn", [])} for r in resources}
    assert len(waiting) == len(resources), "each has a name of its own"
    while ready := [name for name, needs in waiting.items() if not needs & set(waiting)]:
        for name in ready:
            assert waiting.pop(name) <= before
    assert waiting == {}, "they wait for each other"


def test_names_are_as_azure_wants_them(resources: list[dict[str, Any]]) -> None:
    (storage,) = of_type(resources, "Microsoft.Storage/storageAccounts")
    (vault,) = of_type(resources, "Microsoft.KeyVault/vaults")
    (ledger,) = of_type(resources, "Microsoft.DBforPostgreSQL/flexibleServers")
    assert re.fullmatch(r"[a-z0-9]{3,24}", storage["name"])
    assert re.fullmatch(r"[a-zA-Z](?!.*--)[a-zA-Z0-9-]{1,22}[a-zA-Z0-9]", vault["name"])
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", ledger["name"])


def test_storage_is_closed_encrypted_on_its_way_and_restorable(resources: list[dict[str, Any]]) -> None:
    storage = one(resources, "Microsoft.Storage/storageAccounts")
    assert storage["isHnsEnabled"]
    assert storage["minimumTlsVersion"] == "TLS1_2"
    assert storage["supportsHttpsTrafficOnly"]
    assert not storage["allowBlobPublicAccess"]
    assert not storage["allowSharedKeyAccess"], "there is no account key that could be given away"
    assert storage["networkAcls"]["defaultAction"] == "Deny"
    assert [rule["value"] for rule in storage["networkAcls"]["ipRules"]] == GIVEN["airflowAddresses"]
    blobs = one(resources, "Microsoft.Storage/storageAccounts/blobServices")
    assert all(blobs[kind]["enabled"] for kind in ("deleteRetentionPolicy", "containerDeleteRetentionPolicy"))
    containers = of_type(resources, "Microsoft.Storage/storageAccounts/blobServices/containers")
    assert [container["properties"]["publicAccess"] for container in containers] == ["None", "None"]


@pytest.mark.parametrize(("days", "kept"), [(0, True), (400, False)])
def test_chunks_are_kept_unless_somebody_says_for_how_long(days: int, kept: bool) -> None:
    resources = list(Template(TEMPLATE, GIVEN | {"deleteChunksAfterDays": days}).resources())
    (rule,) = one(resources, "Microsoft.Storage/storageAccounts/managementPolicies")["policy"]["rules"]
    assert rule["definition"]["filters"]["prefixMatch"] == ["transaction-patterns/chunks/"], "and nothing else"
    actions = rule["definition"]["actions"]["baseBlob"]
    assert actions["tierToCool"] == {"daysAfterModificationGreaterThan": 30}
    assert actions.get("delete") == (None if kept else {"daysAfterModificationGreaterThan": days})


def test_the_ledger_wants_tls_is_backed_up_and_open_to_named_addresses_only(resources: list[dict[str, Any]]) -> None:
    kind = "Microsoft.DBforPostgreSQL/flexibleServers"
    settings = {r["name"].rpartition("/")[2]: r["properties"]["value"] for r in of_type(resources, f"{kind}/configurations")}
    assert settings == {"require_secure_transport": "on", "ssl_min_protocol_version": "TLSv1.2"}
    assert one(resources, kind)["backup"]["backupRetentionDays"] >= 7
    rules = [r["properties"] for r in of_type(resources, f"{kind}/firewallRules")]
    assert [str(rule["startIpAddress"]) for rule in rules] == ["unknown", *GIVEN["airflowAddresses"]], (
        "the gateway's is known later"
    )
    assert all(str(rule["startIpAddress"]) == str(rule["endIpAddress"]) for rule in rules)


def test_databricks_has_no_public_addresses_and_leaves_by_one(resources: list[dict[str, Any]]) -> None:
    assert one(resources, "Microsoft.Databricks/workspaces")["parameters"]["enableNoPublicIp"] == {"value": True}
    subnets = one(resources, "Microsoft.Network/virtualNetworks")["subnets"]
    assert len({subnet["properties"]["natGateway"]["id"] for subnet in subnets}) == 1


def test_the_vault_asks_for_roles_and_can_be_restored(resources: list[dict[str, Any]]) -> None:
    vault = one(resources, "Microsoft.KeyVault/vaults")
    assert vault["enableRbacAuthorization"]
    assert vault["enableSoftDelete"]
    assert vault["enablePurgeProtection"]
    assert vault["networkAcls"]["defaultAction"] == "Deny"


def test_roles_are_the_least_and_on_the_least(resources: list[dict[str, Any]]) -> None:
    """Nobody has a role on the resource group, and only the two containers' contributors may write blobs."""
    names = {
        "ba92f5b4-2d11-453d-a403-e96b0029c9fe": "Storage Blob Data Contributor",
        "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1": "Storage Blob Data Reader",
        "db58b8e5-c6ad-4a2a-8342-4190687cbf4a": "Storage Blob Delegator",
        "4633458b-17de-408a-b874-0445c86b69e6": "Key Vault Secrets User",
        "b86a8fe4-44ce-4948-aee5-eccb2c155cd7": "Key Vault Secrets Officer",
    }
    who = {GIVEN["airflowPrincipalId"]: "Airflow", GIVEN["deployerPrincipalId"]: "deployer"}
    granted = sorted(
        (
            who.get(str(role["properties"]["principalId"]), "Databricks"),  # whose id is known when it has been made
            names[role["properties"]["roleDefinitionId"].rpartition("/")[2]],
            re.split(r"/(?:storageAccounts|vaults)/", role["scope"])[1].partition("/containers/")[2],
        )
        for role in of_type(resources, ROLE)
    )
    assert granted == [
        ("Airflow", "Key Vault Secrets User", ""),
        ("Airflow", "Storage Blob Data Contributor", "transaction-patterns"),
        ("Databricks", "Storage Blob Data Contributor", "databricks"),
        ("Databricks", "Storage Blob Data Reader", "transaction-patterns"),
        ("Databricks", "Storage Blob Delegator", ""),
        ("deployer", "Key Vault Secrets Officer", ""),
        ("deployer", "Storage Blob Data Reader", "transaction-patterns"),
    ]


def test_no_secret_has_a_value_here() -> None:
    for name, parameter in TEMPLATE["parameters"].items():
        assert parameter["metadata"]["description"].endswith(".")
        if "password" in name.lower():
            assert parameter["type"] == "securestring"
            assert "defaultValue" not in parameter
    assert not any("password" in name.lower() for file in SIZES.values() for name in file["parameters"])
    assert not any("password" in name.lower() for name in TEMPLATE["outputs"])


def test_there_are_a_small_and_a_large_installation() -> None:
    assert set(SIZES) == {"small", "large"}


def test_the_outputs_are_what_the_commands_read(tmp_path: Path) -> None:
    outputs = Template(TEMPLATE, GIVEN).outputs()
    assert set(outputs) == {field.name for field in fields(Azure)}
    file = tmp_path / "azure.json"
    file.write_text(json.dumps({name: {"type": "String", "value": str(value)} for name, value in outputs.items()}))
    assert Azure.read(file).container == "transaction-patterns"
    file.write_text("{}")
    with pytest.raises(ValueError, match="lacks the outputs tenantId, "):
        Azure.read(file)


def test_a_second_deployment_keeps_the_rules_of_databricks(resources: list[dict[str, Any]]) -> None:
    """Workers reach each other and what Databricks needs; by these names it takes the rules for its own."""
    (group,) = of_type(resources, "Microsoft.Network/networkSecurityGroups")
    rules = {
        rule["name"].partition("_UseOnly_databricks-")[2]: rule["properties"] for rule in group["properties"]["securityRules"]
    }
    assert {name: rule["destinationAddressPrefix"] for name, rule in rules.items()} == {
        "worker-to-worker-inbound": "VirtualNetwork",
        "worker-to-databricks-webapp": "AzureDatabricks",
        "worker-to-sql": "Sql",
        "worker-to-storage": "Storage",
        "worker-to-worker-outbound": "VirtualNetwork",
        "worker-to-eventhub": "EventHub",
    }
    assert len({(rule["direction"], rule["priority"]) for rule in rules.values()}) == len(rules)
