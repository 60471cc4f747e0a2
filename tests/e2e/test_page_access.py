"""Nobody reads a feed who may not see the DAG: every route of the page, static files and downloads included."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import jwt
import pytest
from starlette.routing import Route

from feed_page.app import page_app
from local.config import load_config
from local.stack import Stack

EXAMPLES = {"name": "page.css", "feed": "no-such-feed", "file_number": "1"}
"""What stands for a route's parameters."""


def addresses() -> list[str]:
    found = []
    for route in page_app().routes:
        assert isinstance(route, Route), f"{route} is not covered by this test"
        path = route.path
        for name in route.param_convertors:
            path = path.replace(f"{{{name}}}", EXAMPLES[name])
        found.append(f"/transaction-patterns{path}")
    return sorted(found)


@pytest.fixture(scope="module")
def client(airflow: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=airflow.addresses.airflow_url, trust_env=False, timeout=30) as client:
        yield client


def token(airflow: Stack, **changed: object) -> str:
    """Sign what the login hands out, as the api-server does; ``changed`` is what somebody else would have in it."""
    user = airflow.addresses
    with httpx.Client(base_url=user.airflow_url, trust_env=False) as client:
        answer = client.post("/auth/token", json={"username": user.airflow_user, "password": user.airflow_password})
    claims = jwt.decode(answer.raise_for_status().json()["access_token"], options={"verify_signature": False})
    secret = load_config(airflow.directory).passwords["airflow_jwt"]
    return jwt.encode(claims | changed, secret, algorithm="HS512")


def statuses(client: httpx.Client, **headers: str) -> dict[str, int]:
    return {address: client.get(address, headers=headers).status_code for address in addresses()}


def test_there_are_routes_of_every_kind() -> None:
    assert len(addresses()) >= 9
    assert {"/transaction-patterns/", "/transaction-patterns/static/page.css"} <= set(addresses())


def test_without_a_login_every_route_answers_401(client: httpx.Client) -> None:
    assert set(statuses(client).values()) == {401}, statuses(client)


def test_with_a_forged_login_every_route_answers_403(client: httpx.Client, airflow: Stack) -> None:
    forged = jwt.encode({"sub": "admin", "role": "ADMIN", "exp": time.time() + 60}, "x" * 64, algorithm="HS512")
    assert set(statuses(client, Authorization=f"Bearer {forged}").values()) == {403}


def test_without_permission_on_the_dag_every_route_answers_403(client: httpx.Client, airflow: Stack) -> None:
    nobody = token(airflow, sub="nobody", role=None)
    assert client.get("/api/v2/dags/transaction_patterns", headers={"Authorization": f"Bearer {nobody}"}).status_code == 403
    assert set(statuses(client, Authorization=f"Bearer {nobody}").values()) == {403}


def test_with_permission_no_route_is_refused(client: httpx.Client, airflow: Stack) -> None:
    allowed = statuses(client, Authorization=f"Bearer {token(airflow)}")
    assert set(allowed.values()) <= {200, 404}, allowed
    assert allowed["/transaction-patterns/static/page.css"] == 200
