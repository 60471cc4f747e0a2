"""What Airflow's own pages show of real runs: notes, links, assets and their events, and the alert of a failed run."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.airflow_api import AirflowApi, AirflowError
from local.airflow_service import DAG_ID
from local.drive_standin.tree import DriveTree
from local.stack import Stack
from tests.conftest import RULES
from tests.e2e.outcome import ended, get

FEED = "on-the-pages"
SECONDS = 120


@pytest.fixture(scope="module")
def folder_id(airflow: Stack, small: tuple[Path, Path]) -> str:
    folder = airflow.addresses.drive_root / FEED
    folder.mkdir(exist_ok=True)  # of an earlier session; the ledger is new in each
    (folder / "transactions.csv").write_bytes(small[0].read_bytes())
    (folder / "CustomerImportance.csv").write_bytes(small[1].read_bytes())
    return next(node.id for node in DriveTree(airflow.addresses.drive_root).nodes() if node.path == folder)


@pytest.fixture(scope="module")
def client(airflow: Stack) -> Iterator[httpx.Client]:
    with airflow.airflow_client() as client:
        AirflowApi(client).unpause()
        yield client


@pytest.fixture(scope="module")
def ranged(client: httpx.Client, folder_id: str) -> str:
    """Id of a run that has taken chunks 1 to 3."""
    conf = {"feed": FEED, "folder_id": folder_id, "first_chunk": 1, "last_chunk": 3, "flush": True} | RULES
    run_id, state = ended(AirflowApi(client), conf)
    assert state == "success"
    return run_id


def until(condition: Callable[[], Any]) -> Any:
    """Wait for something, and give it."""
    deadline = time.monotonic() + SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return found


def note(client: httpx.Client, run_id: str, dag_id: str = DAG_ID) -> str:
    return str(get(client, f"/dags/{dag_id}/dagRuns/{run_id}")["note"])


def test_a_run_notes_what_it_does(client: httpx.Client, ranged: str) -> None:
    rules = ", ".join(f"{name} {value}" for name, value in RULES.items())
    assert note(client, ranged) == f"chunks 1-3 of feed {FEED} with {rules}, with its last detections"


def test_a_note_of_somebody_stays(client: httpx.Client) -> None:
    body = {"logical_date": None, "conf": {"feed": FEED, "last_chunk": 2}, "note": "asked for by the auditors"}
    run_id = client.post(f"/dags/{DAG_ID}/dagRuns", json=body).raise_for_status().json()["dag_run_id"]
    until(lambda: AirflowApi(client).state(run_id) == "success")
    assert note(client, run_id) == "asked for by the auditors"


def test_a_run_that_nobody_triggered_notes_what_it_has_taken(client: httpx.Client, ranged: str) -> None:
    """A ranged run leaves the feed alone; one without a range makes scheduled runs carry it on."""
    run_id, state = ended(AirflowApi(client), {"feed": FEED, "last_chunk": 5, "batch_chunks": 1})
    assert state == "success"
    assert note(client, run_id) == f"chunks up to 5 of feed {FEED} in batches of 1: chunk 4"
    wanted = f"feed {FEED}, chunk 5"
    query = {"run_type": "asset_triggered", "order_by": "-start_date", "limit": 10}
    until(lambda: wanted in [run["note"] for run in get(client, f"/dags/{DAG_ID}/dagRuns", **query)["dag_runs"]])


def test_links_lead_to_the_page_and_to_databricks(airflow: Stack, client: httpx.Client, ranged: str) -> None:
    def links(task_id: str) -> dict[str, str]:
        found = get(client, f"/dags/{DAG_ID}/dagRuns/{ranged}/taskInstances/{task_id}/links")["extra_links"]
        return dict(found)

    # A link is kept after the task's end is.
    until(lambda: all(links(task_id).values() for task_id in ("land_chunks", "export_detections")))
    assert links("land_chunks") == {"Chunks of the feed": f"transaction-patterns/chunks?feed={FEED}"}
    assert links("export_detections") == {"Detection files of the feed": f"transaction-patterns/files?feed={FEED}"}
    for link in [*links("land_chunks").values(), *links("export_detections").values()]:
        assert FEED in client.get(f"{airflow.addresses.airflow_url}/{link}").raise_for_status().text
    path = f"/dags/{DAG_ID}/dagRuns/{ranged}/taskInstances/detect_patterns/xcomEntries/run_id"
    databricks = links("detect_patterns")["See Databricks Job Run"]
    assert databricks.startswith(airflow.addresses.databricks_url)
    assert databricks.endswith(f"/run/{get(client, path)['value']}")


def test_relative_links_are_resolved_against_the_base_of_the_ui(airflow: Stack) -> None:
    page = httpx.get(f"{airflow.addresses.airflow_url}/", trust_env=False, follow_redirects=True).text
    assert '<base href="/"' in page or f'<base href="{airflow.addresses.airflow_url}/"' in page


def test_the_asset_graph_leads_from_drive_to_the_files_and_the_audit(airflow: Stack, client: httpx.Client, ranged: str) -> None:
    assets = {asset["name"]: asset for asset in get(client, "/assets")["assets"] if asset["group"] == "transaction-patterns"}
    graph = get(
        client,
        f"{airflow.addresses.airflow_url}/ui/dependencies",
        node_id=f"asset:{assets['Landed chunks']['id']}",
        dependency_type="data",
    )
    label = {node["id"]: node["label"] for node in graph["nodes"]}
    edges = {(label[edge["source_id"]], label[edge["target_id"]]) for edge in graph["edges"]}
    assert edges == {
        ("Transactions on Drive", f"{DAG_ID}.land_chunks"),
        ("CustomerImportance on Drive", f"{DAG_ID}.land_chunks"),
        (f"{DAG_ID}.land_chunks", "Landed chunks"),
        ("Landed chunks", f"{DAG_ID}.detect_patterns"),
        ("Landed chunks", f"{DAG_ID}.commit_batch"),
        (f"{DAG_ID}.commit_batch", "State and detections"),
        ("State and detections", f"{DAG_ID}.export_detections"),
        (f"{DAG_ID}.export_detections", "Detection files"),
        ("Transactions on Drive", "audit_feed.check_source"),
        ("Landed chunks", "audit_feed.check_source"),
        ("Landed chunks", "audit_feed.check_blobs"),
        ("Detection files", "audit_feed.check_blobs"),
        ("Landed chunks", "audit_feed.detect_patterns"),
        ("Landed chunks", "audit_feed.compare_state"),
        ("State and detections", "audit_feed.compare_state"),
        ("audit_feed.compare_state", "Audited state"),
    }


def test_events_of_assets_say_what_is_new(client: httpx.Client, ranged: str) -> None:
    events = get(client, "/assets/events", source_dag_id=DAG_ID, source_run_id=ranged)["asset_events"]
    assert {event["name"]: event["extra"] for event in events} == {
        "Landed chunks": {"feed": FEED, "last_chunk": 3, "new_chunks": 3},
        "State and detections": {"feed": FEED, "first_chunk": 1, "last_chunk": 3},
        "Detection files": {
            "feed": FEED,
            "new_files": next(e["extra"]["new_files"] for e in events if e["name"] == "Detection files"),
        },
    }


@pytest.fixture
def alerts(airflow: Stack) -> Iterator[list[dict[str, Any]]]:
    """Define the connection ``alerts``, as a receiver of Apprise's JSON; give what it is sent."""
    sent: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    file = airflow.addresses.connections_file
    before = file.read_text()
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        extra = {"config": [{"path": f"json://127.0.0.1:{server.server_address[1]}/"}]}
        file.write_text(json.dumps(json.loads(before) | {"alerts": {"conn_type": "apprise", "extra": extra}}))
        try:
            yield sent
        finally:
            file.write_text(before)
            server.shutdown()


def test_a_run_that_is_refused_lands_nothing_and_somebody_is_told(client: httpx.Client, alerts: list[dict[str, Any]]) -> None:
    api = AirflowApi(client)
    with pytest.raises(AirflowError, match=r"answered 400.*folder_id"):
        api.trigger({"feed": FEED, "folder_id": "https://drive.google.com/drive/folders/1AbC"})
    run_id, state = ended(api, {"rebuild": True})
    assert state == "failed"
    said = "rebuild: this is about one feed, and the run names none in feed"
    assert api.reason(run_id) == f"land_chunks: {said}"
    until(lambda: alerts)
    (alert,) = alerts
    assert alert["title"] == f"{DAG_ID}: land_chunks failed"
    assert alert["message"].startswith(f"{said} (feed not known yet, run {run_id}, log: http")
