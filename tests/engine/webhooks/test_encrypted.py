"""Receivers behind TLS: their certificate has to be good for the name of the URL."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from batches.models import DeliveryStatus, Project, WebhookDelivery
from providers.models import Provider
from tests.engine.webhooks.conftest import added, deliver, failed
from tests.providers.transport.certificates import Authority
from tests.waiting import PATIENCE

pytestmark = pytest.mark.django_db(transaction=True)


class Receiver(BaseHTTPRequestHandler):
    """Takes everything."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that http.server gives it
        """Say nothing."""


@pytest.fixture
def authority() -> Authority:
    return Authority()


@pytest.fixture
def encrypted(authority: Authority, tmp_path: Path) -> Iterator[str]:
    """The URL of a receiver with a certificate for 127.0.0.1."""
    server = HTTPServer(("127.0.0.1", 0), Receiver)
    server.socket = authority.server_context(tmp_path).wrap_socket(server.socket, server_side=True)
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    yield f"https://127.0.0.1:{server.server_port}/hook"
    server.shutdown()
    serving.join(PATIENCE)
    server.server_close()


def test_a_certificate_of_a_trusted_authority_is_accepted(
    project: Project,
    simulator: Provider,
    encrypted: str,
    authority: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trusted = tmp_path / "ca.pem"
    trusted.write_text(authority.certificate)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    added(project, encrypted)
    failed(project)

    deliver()

    delivery = WebhookDelivery.objects.get()
    assert (delivery.status, delivery.http_status) == (DeliveryStatus.DELIVERED, 204)


def test_any_other_certificate_is_refused(project: Project, simulator: Provider, encrypted: str) -> None:
    added(project, encrypted)
    failed(project)

    deliver()

    delivery = WebhookDelivery.objects.get()
    assert (delivery.status, delivery.http_status) == (DeliveryStatus.WAITING, None)
    assert delivery.failure == "No connection: CERTIFICATE_VERIFY_FAILED."
