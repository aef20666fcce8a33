"""Where deliveries never go: names that change their addresses after they were saved, and public addresses without https."""

import socket
from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

import pytest
from pytest_django import Settings

from batches.models import DeliveryStatus, Project, WebhookDelivery
from providers.models import Provider
from tests.engine.webhooks.conftest import added, deliver, failed
from tests.upstream import Upstream

pytestmark = pytest.mark.django_db(transaction=True)

NAME = "moving.example"
Lead = Callable[..., None]


@pytest.fixture
def lead(monkeypatch: pytest.MonkeyPatch, simulator: Provider) -> Lead:
    """Decides to which addresses NAME leads."""
    looked_up, leads_to = socket.getaddrinfo, list[str]()

    def look_up(host: Any, port: Any, *args: Any, **more: Any) -> Any:
        if host != NAME:
            return looked_up(host, port, *args, **more)
        if not leads_to:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [found for address in leads_to for found in looked_up(address, port, *args, **more)]

    def lead_to(*addresses: str) -> None:
        leads_to[:] = addresses

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return lead_to


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("127.0.0.1", "It does not lead to a public address"),
        ("10.1.2.3", "It does not lead to a public address"),
        ("::ffff:127.0.0.1", "It does not lead to a public address"),
        ("169.254.169.254", "It leads to where clouds keep the credentials of machines"),
        ("fd00:ec2::254", "It leads to where clouds keep the credentials of machines"),
    ],
)
def test_a_name_that_has_moved_to_a_private_address_gets_nothing(
    project: Project, receiver: Upstream, settings: Settings, lead: Lead, address: str, reason: str
) -> None:
    settings.TENANT_NETWORKS = []
    added(project, f"https://{NAME}:{receiver.port}/hook")
    failed(project)
    lead(address)

    deliver()

    delivery = WebhookDelivery.objects.get()
    assert (delivery.status, delivery.attempts) == (DeliveryStatus.WAITING, 1)
    assert delivery.failure.startswith(f"No connection: {reason}")
    assert receiver.connections == 0


def test_metadata_gets_nothing_even_inside_a_network_of_the_settings(
    project: Project, settings: Settings, receiver: Upstream, lead: Lead
) -> None:
    settings.TENANT_NETWORKS = [ip_network("0.0.0.0/0"), ip_network("::/0")]
    added(project, f"http://{NAME}/hook")
    failed(project)
    lead("169.254.169.254")

    deliver()

    assert WebhookDelivery.objects.get().failure.startswith("No connection: It leads to where clouds keep")


def test_without_https_a_public_address_gets_nothing(project: Project, lead: Lead) -> None:
    added(project, f"http://{NAME}/hook")
    failed(project)
    lead("93.184.216.34")

    deliver()

    assert WebhookDelivery.objects.get().failure == "No connection: Without https nothing is sent to a public address."


def test_of_several_addresses_the_one_that_is_allowed_is_connected_to(project: Project, receiver: Upstream, lead: Lead) -> None:
    added(project, f"http://{NAME}:{receiver.port}/hook")
    failed(project)
    lead("169.254.169.254", "10.0.0.1", "127.0.0.1")

    deliver()

    assert WebhookDelivery.objects.get().status == DeliveryStatus.DELIVERED
    (request,) = receiver.requests
    assert request.headers["host"] == f"{NAME}:{receiver.port}"


def test_a_name_without_an_address_is_told_so(project: Project, lead: Lead) -> None:
    added(project, f"https://{NAME}/hook")
    failed(project)

    deliver()

    assert WebhookDelivery.objects.get().failure == "No connection: Name or service not known."


def test_proxies_of_the_environment_are_not_used(
    project: Project, receiver: Upstream, simulator: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    added(project, f"{receiver.origin}/hook")
    failed(project)

    deliver()

    assert len(receiver.requests) == 1
