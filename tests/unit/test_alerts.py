"""Alerts through the providers' own notifiers, sent to servers on loopback."""

from __future__ import annotations

import json
import logging
import re
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_string
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs

import pytest
from airflow.sdk.log import mask_secret

from feeds import alerts
from feeds.errors import SourceFormatError

Sent = list[str]


class _Http(BaseHTTPRequestHandler):
    """Takes every message, as Slack and a receiver of Apprise's JSON would."""

    sent: Sent

    def do_POST(self) -> None:
        self.sent.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
        answer = b"ok" if "services" in self.path else json.dumps({"ok": True}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class _Smtp(socketserver.StreamRequestHandler):
    """The part of SMTP that a client without login and TLS speaks."""

    sent: Sent

    def handle(self) -> None:
        self._say("220 test")
        for line in self.rfile:
            command = line.decode().strip().upper()
            if command == "DATA":
                self._say("354 go on")
                self.sent.append("".join(iter(lambda: self.rfile.readline().decode(), ".\r\n")))
            self._say("221 bye" if command == "QUIT" else "250 ok")
            if command == "QUIT":
                return

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@contextmanager
def _serving(server: socketserver.TCPServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def http() -> Iterator[tuple[int, Sent]]:
    sent: Sent = []
    with _serving(HTTPServer(("127.0.0.1", 0), type("Handler", (_Http,), {"sent": sent}))) as port:
        yield port, sent


@pytest.fixture
def smtp() -> Iterator[tuple[int, Sent]]:
    sent: Sent = []
    with _serving(socketserver.TCPServer(("127.0.0.1", 0), type("Handler", (_Smtp,), {"sent": sent}))) as port:
        yield port, sent


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Define the connection ``alerts``: ``configure(type, ...)``."""

    def define(conn_type: str, **fields: Any) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_ALERTS", json.dumps({"conn_type": conn_type, **fields}))

    return define


def context(error: BaseException | None = None, *, feed: str | None = "bank-2026", due_at: float | None = None) -> Any:
    """What Airflow gives a callback, as far as alerts look at it."""
    xcoms = {("land_chunks", "feed"): "carried-on", ("land_chunks", "due_at"): due_at}
    ti = SimpleNamespace(
        dag_id="transaction_patterns",
        task_id="land_chunks",
        log_url="http://airflow/log",
        xcom_pull=lambda task_ids, key: xcoms[task_ids, key],
    )
    return {"ti": ti, "params": {"feed": feed}, "dag_run": SimpleNamespace(run_id="manual__1"), "exception": error}


ERROR = SourceFormatError("t.csv: the header lacks <age> & gender; it has {{ 7 * 6 }} <!channel>")
TITLE = "transaction_patterns: land_chunks failed"
FAILURE = f"{ERROR} (feed bank-2026, run manual__1, log: http://airflow/log)"


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def test_apprise(http: tuple[int, Sent], configure: Callable[..., None]) -> None:
    configure("apprise", extra={"config": [{"path": f"json://127.0.0.1:{http[0]}/"}]})
    alerts.alert_failure(context(ERROR))
    (sent,) = map(json.loads, http[1])
    assert (sent["title"], sent["message"]) == (TITLE, FAILURE)


def test_slack(http: tuple[int, Sent], configure: Callable[..., None]) -> None:
    configure("slack", password="xoxb-1", extra={"channel": "#bank", "base_url": f"http://127.0.0.1:{http[0]}/api/"})
    alerts.alert_failure(context(ERROR))
    (sent,) = http[1]
    message = json.loads(sent) if sent.startswith("{") else {name: value for name, (value,) in parse_qs(sent).items()}
    assert message["channel"] == "#bank"
    assert message["text"] == f"*{TITLE}*\n{escaped(FAILURE)}"


def test_a_webhook_of_slack(http: tuple[int, Sent], configure: Callable[..., None]) -> None:
    configure("slackwebhook", host=f"http://127.0.0.1:{http[0]}/services", password="T00/B00/xyz")
    alerts.alert_failure(context(ERROR))
    (sent,) = map(json.loads, http[1])
    assert sent["text"] == f"*{TITLE}*\n{escaped(FAILURE)}"


def test_mail(smtp: tuple[int, Sent], configure: Callable[..., None]) -> None:
    extra = {"to": "ops@bank.example", "from_email": "airflow@bank.example", "disable_tls": True, "disable_ssl": True}
    configure("smtp", host="127.0.0.1", port=smtp[0], extra=extra)
    alerts.alert_failure(context(ERROR))
    (sent,) = map(message_from_string, smtp[1])
    assert (sent["Subject"], sent["To"], sent["From"]) == (TITLE, "ops@bank.example", "airflow@bank.example")
    (body,) = [part.get_payload(decode=True) for part in sent.walk() if part.get_content_type() == "text/html"]
    assert isinstance(body, bytes)
    assert body.decode().strip() == f"<p>{escaped(FAILURE)}</p>"


def test_nothing_is_sent_without_the_connection(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, http: tuple[int, Sent]
) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_ALERTS", raising=False)
    alerts.alert_failure(context(ERROR))
    alerts.alert_lateness(context(due_at=time.time() - 1e6))
    assert (http[1], caplog.messages) == ([], [])


def test_a_secret_is_not_sent(http: tuple[int, Sent], configure: Callable[..., None]) -> None:
    mask_secret("correct-horse-battery")
    configure("apprise", extra={"config": [{"path": f"json://127.0.0.1:{http[0]}/"}]})
    alerts.alert_failure(context(RuntimeError("login as x with correct-horse-battery failed")))
    assert "login as x with *** failed" in http[1][0]


def test_lateness_is_counted_from_when_the_work_came_due(http: tuple[int, Sent], configure: Callable[..., None]) -> None:
    extra = {"config": [{"path": f"json://127.0.0.1:{http[0]}/"}], "freshness_seconds": 100}
    configure("apprise", extra=extra)
    now = time.time()
    for in_time in (now - 50, now, None):
        alerts.alert_lateness(context(feed=None, due_at=in_time))
    assert http[1] == []
    alerts.alert_lateness(context(feed=None, due_at=now - 7200))
    (sent,) = map(json.loads, http[1])
    assert sent["title"] == "transaction_patterns: feed carried-on is late"
    assert re.search(r"done 7,20\d s after it had come due; the budget is 100 s \(run manual__1\)", sent["message"])


@pytest.mark.parametrize(
    ("conn_type", "extra", "said"),
    [
        ("http", {}, "type http; alerts go to apprise, slack, slackwebhook, smtp"),
        ("smtp", {}, "of type smtp needs 'to' in its extra"),
        ("slack", {}, "of type slack needs 'channel' in its extra"),
    ],
)
def test_a_connection_that_cannot_be_used(
    configure: Callable[..., None], caplog: pytest.LogCaptureFixture, conn_type: str, extra: dict[str, Any], said: str
) -> None:
    configure(conn_type, extra=extra)
    alerts.alert_failure(context(ERROR))
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert said in caplog.text


def test_a_notifier_that_is_not_installed(
    configure: Callable[..., None], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "airflow.providers.apprise.notifications.apprise", None)
    configure("apprise", extra={"config": []})
    alerts.alert_failure(context(ERROR))
    assert "Connection alerts has type apprise, which needs apache-airflow-providers-apprise" in caplog.text
    assert "Traceback" not in caplog.text, "it would hide the task's own error"


def test_a_service_that_is_away(configure: Callable[..., None], caplog: pytest.LogCaptureFixture) -> None:
    extra = {"to": "ops@bank.example", "from_email": "airflow@bank.example", "disable_tls": True, "disable_ssl": True}
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        configure("smtp", host="127.0.0.1", port=closed.getsockname()[1], extra=extra)
        alerts.alert_failure(context(ERROR))
    assert "Connection alerts: the alert could not be sent: [Errno 111] Connection refused" in caplog.text
    assert "Traceback" not in caplog.text
