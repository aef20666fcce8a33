"""Who may read `/metrics`, and in which format. What it says is tested beside `insight.metrics`."""

from collections.abc import Iterator

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus
from pytest_django import Settings

from batches.models import Batch, Project
from config.answers.metrics import _collected
from providers.models import Provider
from tests.cast import request_lines, submitted

pytestmark = pytest.mark.django_db

TOKEN = "a-token-of-prometheus"
FAR = "203.0.113.9"


@pytest.fixture(autouse=True)
def collected_anew() -> Iterator[None]:
    """No test reads what another one has collected."""
    _collected.forget()
    yield
    _collected.forget()


def status(client: Client, *, address: str = "127.0.0.1", **headers: str) -> int:
    return client.get("/metrics", REMOTE_ADDR=address, headers=headers).status_code


def test_a_machine_in_the_networks_reads_without_a_token(client: Client, settings: Settings) -> None:
    assert status(client) == 200
    assert status(client, address="::1") == 200
    assert status(client, address="::ffff:127.0.0.1") == 200


def test_to_others_there_is_nothing_like_at_any_unknown_path(client: Client) -> None:
    found, unknown = (client.get(path, REMOTE_ADDR=FAR) for path in ("/metrics", "/metrix"))

    assert found.status_code == unknown.status_code == 404
    assert found["Content-Type"] == unknown["Content-Type"]


def test_with_a_token_others_are_asked_for_it(client: Client, settings: Settings) -> None:
    settings.METRICS_TOKEN = TOKEN

    refused = client.get("/metrics", REMOTE_ADDR=FAR)

    assert refused.status_code == 401
    assert refused["WWW-Authenticate"].startswith("Bearer")
    assert status(client, address=FAR, authorization=f"Bearer {TOKEN}") == 200
    assert status(client, address=FAR, authorization=f"bearer  {TOKEN}") == 200


@pytest.mark.parametrize(
    "shown", [TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer", "Bearer ", "Bearer ä", f"Bearer {TOKEN[:-1]}"]
)
def test_any_other_credential_is_refused(client: Client, settings: Settings, shown: str) -> None:
    settings.METRICS_TOKEN = TOKEN

    assert status(client, address=FAR, authorization=shown) == 401


def test_a_tenants_key_and_a_person_who_is_signed_in_read_nothing(client: Client, key: str, admin_client: Client) -> None:
    assert status(client, address=FAR, authorization=f"Bearer {key}") == 404
    assert status(admin_client, address=FAR) == 404


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"])
def test_behind_a_proxy_that_is_not_trusted_no_address_counts(client: Client, header: str) -> None:
    assert status(client, **{header: "127.0.0.1"}) == 404


def test_behind_a_trusted_proxy_the_address_that_it_adds_counts(client: Client, settings: Settings) -> None:
    settings.TRUST_PROXY = True

    assert status(client, **{"X-Forwarded-For": f"127.0.0.1, {FAR}"}) == 404
    assert status(client, **{"X-Forwarded-For": f"{FAR}, 127.0.0.1"}) == 200
    assert status(client, **{"X-Forwarded-For": "nonsense"}) == 404


def test_without_networks_only_the_token_opens(client: Client, settings: Settings) -> None:
    settings.METRICS_NETWORKS, settings.METRICS_TOKEN = [], TOKEN

    assert status(client) == 401
    assert status(client, authorization=f"Bearer {TOKEN}") == 200


def test_readers_may_only_read(client: Client) -> None:
    answer = client.post("/metrics")

    assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD")
    assert client.head("/metrics").status_code == 200


def test_any_host_name_and_plain_http_are_answered(client: Client, settings: Settings) -> None:
    settings.ALLOWED_HOSTS, settings.SECURE_SSL_REDIRECT = ["batch.example"], True

    assert client.get("/metrics", headers={"Host": "10.0.0.7:8000"}).status_code == 200


def test_both_formats_can_be_parsed(client: Client, project: Project, simulator: Provider) -> None:
    submitted(project, request_lines(1))

    text = client.get("/metrics")
    modern = client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})

    assert text["Content-Type"].startswith("text/plain; version=0.0.4")
    assert modern["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    names = [
        {family.name for family in parse(answer.content.decode())}
        for parse, answer in ((prometheus, text), (openmetrics, modern))
    ]
    assert all(name.startswith("batchyard_") for name in names[0])
    assert {"batchyard_batches", "batchyard_objects_settled", "batchyard_claim_seconds"} <= names[1]


@pytest.mark.parametrize(
    "accept", ["", "*/*", ";;;", "application/openmetrics-text;version=9;escaping=no", "text/html", "a" * 5000, "é"]
)
def test_an_odd_wish_for_a_format_gets_the_text(client: Client, accept: str) -> None:
    answer = client.get("/metrics", headers={"Accept": accept})

    assert answer.status_code == 200
    assert b"batchyard_build_info" in answer.content


def test_the_database_is_asked_once_in_a_while(client: Client, project: Project, simulator: Provider, settings: Settings) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            client.get("/metrics")
        return len(captured)

    assert queries() > 5
    assert queries() == 0

    settings.METRICS_CACHE_SECONDS = 0.0
    assert queries() > 5


def test_no_text_of_a_tenant_is_shown(client: Client, project: Project, simulator: Provider) -> None:
    batch = submitted(project, request_lines(1, prefix="canary-of-a-tenant"), metadata={"who": "canary-of-metadata"})
    Batch.objects.filter(pk=batch.pk).update(model="canary-model", remark="canary-remark")

    page = client.get("/metrics").content.decode()

    assert 'batchyard_project_open_batches{project="acme"} 1.0' in page
    assert "canary" not in page
    assert str(batch) not in page
