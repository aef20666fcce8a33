"""Webhook endpoints with the unmodified `openai` package, over real HTTP; and what a client may say and hear beside it."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import openai
import pytest
from openai import OpenAI
from pytest_django import Settings

from batches.engine.webhooks import deliverer
from batches.models import AuditEntry, Batch, Project, WebhookDelivery, WebhookEndpoint
from tests.answers import drop, refuse, say
from tests.conftest import Portal, Queue
from tests.dialects.openai.conftest import Api
from tests.upstream import Upstream
from tests.webhooks import URL, make_endpoint

ENDS = ["batch.completed", "batch.failed", "batch.expired", "batch.cancelled"]


@pytest.fixture
def client(portal: Portal) -> Iterator[OpenAI]:
    """The SDK as a user sets it up, but strict."""
    with OpenAI(base_url=f"{portal.url}/v1", api_key=portal.key, max_retries=0, _strict_response_validation=True) as client:
        yield client


@pytest.fixture
def receiver(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Upstream]:
    """A receiver on this machine, to which events may be sent."""
    settings.TENANT_NETWORKS = [ip_network("127.0.0.0/8")]
    monkeypatch.setattr(deliverer, "IDLE_SECONDS", 0.0)
    with Upstream() as server:
        server.behave(lambda _: say(b"thanks"))
        yield server


def while_working(queue: Queue, call: Callable[[], Any]) -> Any:
    """What a call comes to, while workers run beside it."""
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(call)
        queue.run_until(answer.done)
    return answer.result()


# --- The SDK ------------------------------------------------------------------------------------------------------------


def test_an_endpoint_is_created_read_changed_and_deleted(client: OpenAI) -> None:
    made = client.webhooks.create(name="Search", url=URL, event_types=["batch.failed", "batch.completed"])
    assert made.signing_secret.startswith("whsec_")
    assert made.signing_secret_hint == f"whsec_...{made.signing_secret[-4:]}"
    assert (made.object, made.name, made.url, made.event_types) == (
        "webhook_endpoint",
        "Search",
        URL,
        ["batch.completed", "batch.failed"],
    )
    assert made.updated_at == made.created_at

    read = client.webhooks.retrieve(made.id)
    assert "signing_secret" not in read.to_dict()
    assert read.to_dict() == {name: value for name, value in made.to_dict().items() if name != "signing_secret"}

    changed = client.webhooks.update(made.id, name="Search, stage", event_types=["batch.expired"])
    assert (changed.name, changed.url, changed.event_types) == ("Search, stage", URL, ["batch.expired"])
    assert client.webhooks.update(made.id, url=f"{URL}/v2").url == f"{URL}/v2"

    gone = client.webhooks.delete(made.id)
    assert (gone.id, gone.deleted, gone.object) == (made.id, True, "webhook_endpoint.deleted")
    with pytest.raises(openai.NotFoundError) as missing:
        client.webhooks.retrieve(made.id)
    assert missing.value.param == "webhook_endpoint_id"


def test_endpoints_are_listed_page_by_page_the_newest_first(client: OpenAI, project: Project, other_project: Project) -> None:
    made = [make_endpoint(project, name=str(number)) for number in range(3)]
    make_endpoint(other_project)
    assert [each.id for each in client.webhooks.list(limit=1)] == [str(each) for each in reversed(made)]
    assert client.webhooks.list().has_more is False


def test_the_types_of_events_are_listed(client: OpenAI) -> None:
    assert set(client.webhooks.event_types.list().data) == {*ENDS, "batch.created", "batch.needs_attention"}


@pytest.mark.parametrize("keeps", [False, True])
def test_a_secret_is_replaced_and_the_former_one_kept_on_request_alone(client: OpenAI, keeps: bool) -> None:
    made = client.webhooks.create(name="Search", url=URL, event_types=["batch.completed"])
    rotated = client.webhooks.rotate_secret(made.id, keep_old_secret_active_for_24_hours=keeps)
    assert rotated.signing_secret != made.signing_secret
    endpoint = WebhookEndpoint.objects.get()
    assert bool(endpoint.former_secret_encrypted) is keeps
    if keeps:
        assert endpoint.former_until is not None
        assert endpoint.former_until - endpoint.updated_at == timedelta(hours=24)
    else:
        assert client.webhooks.rotate_secret(made.id).signing_secret != rotated.signing_secret
        assert WebhookEndpoint.objects.get().former_until is None


def test_a_test_is_answered_with_the_status_of_the_receiver(client: OpenAI, queue: Queue, receiver: Upstream) -> None:
    made = client.webhooks.create(name="Search", url=f"{receiver.origin}/hook", event_types=["batch.completed"])
    receiver.answer(refuse(503))

    result = while_working(queue, lambda: client.webhooks.test(made.id, event_type="batch.expired"))

    assert (result.success, result.status_code, result.event_type) == (True, 503, "batch.expired")
    assert result.webhook_endpoint_id == made.id
    (request,) = receiver.requests
    event = client.webhooks.unwrap(request.body, request.headers, secret=made.signing_secret)
    assert event.type == "batch.expired"


def test_a_test_without_an_answer_is_an_error_that_is_not_tried_again(client: OpenAI, queue: Queue, receiver: Upstream) -> None:
    made = client.webhooks.create(name="Search", url=f"{receiver.origin}/hook", event_types=["batch.completed"])
    receiver.answer(drop())
    patient = client.with_options(max_retries=2)

    with pytest.raises(openai.BadRequestError, match="The connection was closed without an answer") as failed:
        while_working(queue, lambda: patient.webhooks.test(made.id, event_type="batch.completed"))

    assert failed.value.code == "webhook_test_failed"
    assert len(receiver.requests) == 1


def test_a_test_that_no_worker_sends_is_not_sent_twice(client: OpenAI, settings: Settings) -> None:
    settings.WEBHOOK_TEST_WAIT_SECONDS = 0.0
    made = client.webhooks.create(name="Search", url=URL, event_types=["batch.completed"])
    with pytest.raises(openai.ConflictError) as waits:
        client.with_options(max_retries=2).webhooks.test(made.id, event_type="batch.completed")
    assert waits.value.code == "webhook_test_waits"
    assert WebhookDelivery.objects.get().attempts == 0


def test_a_batch_tells_its_callback_url_of_its_end(client: OpenAI, queue: Queue, receiver: Upstream) -> None:
    line = {"custom_id": "a", "body": {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}}
    batch = client.batches.create(
        input_file_id=None,  # type: ignore[arg-type]
        endpoint="/v1/chat/completions",
        completion_window="24h",
        extra_body={"requests": [line], "callback_url": f"{receiver.origin}/done?run=1"},
    )
    (callbacks,) = client.webhooks.list().data
    assert (callbacks.url, callbacks.event_types) == ("", ENDS)
    secret = client.webhooks.rotate_secret(callbacks.id).signing_secret

    queue.run_until(lambda: bool(receiver.requests))

    (request,) = receiver.requests
    assert request.path == "/done?run=1"
    event = client.webhooks.unwrap(request.body, request.headers, secret=secret)
    assert (event.type, event.data.id) == ("batch.completed", batch.id)  # type: ignore[union-attr]


# --- The wire -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "param", "code"),
    [
        ({}, "event_types", "missing_required_parameter"),
        ({"event_types": ENDS, "url": URL}, "name", "missing_required_parameter"),
        ({"event_types": ENDS, "name": "a"}, "url", "missing_required_parameter"),
        ({"event_types": [], "name": "a", "url": URL}, "event_types", "invalid_value"),
        ({"event_types": "batch.completed", "name": "a", "url": URL}, "event_types", "invalid_type"),
        ({"event_types": ["response.completed"], "name": "a", "url": URL}, "event_types", "invalid_request"),
        ({"event_types": ENDS, "name": 1, "url": URL}, "name", "invalid_type"),
        ({"event_types": ENDS, "name": "a", "url": "http://receiver.example"}, "url", "invalid_request"),
        ({"event_types": ENDS, "name": "a", "url": "https://169.254.169.254/latest"}, "url", "invalid_request"),
        ({"event_types": ENDS, "name": "a", "url": URL, "secret": "x"}, "secret", "unknown_parameter"),
    ],
)
def test_what_cannot_be_an_endpoint_is_refused_by_its_parameter(api: Api, document: object, param: str, code: str) -> None:
    answer = api.post("/v1/webhook_endpoints", document)
    assert (answer.status, answer.error["param"], answer.error["code"]) == (400, param, code)
    assert not WebhookEndpoint.objects.exists()


def test_too_many_endpoints_are_a_conflict(api: Api, settings: Settings) -> None:
    settings.WEBHOOK_ENDPOINTS_PER_PROJECT = 1
    body = {"event_types": ENDS, "name": "a", "url": URL}
    assert api.post("/v1/webhook_endpoints", body).status == 200
    answer = api.post("/v1/webhook_endpoints", body)
    assert (answer.status, answer.headers["x-should-retry"]) == (409, "false")


def test_an_endpoint_is_disabled_and_enabled_beside_the_contract(api: Api, project: Project) -> None:
    endpoint = make_endpoint(project)
    for enabled in (False, True):
        assert api.post(f"/v1/webhook_endpoints/{endpoint}", {"enabled": enabled}).json["enabled"] is enabled
    assert api.post(f"/v1/webhook_endpoints/{endpoint}", {"enabled": "no"}).error["param"] == "enabled"


def test_a_disabled_endpoint_and_callback_urls_are_not_tested(api: Api, project: Project) -> None:
    for endpoint in (make_endpoint(project, enabled=False), make_endpoint(project, url="")):
        answer = api.post(f"/v1/webhook_endpoints/{endpoint}/test", {"event_type": "batch.completed"})
        assert answer.status == 409
    answer = api.post(f"/v1/webhook_endpoints/{endpoint}/test", {"event_type": "batch.created_at"})
    assert (answer.status, answer.error["param"]) == (400, "event_type")
    assert not WebhookDelivery.objects.exists()


def test_no_log_has_a_secret(api: Api) -> None:
    made = api.post("/v1/webhook_endpoints", {"event_types": ENDS, "name": "a", "url": URL}).json
    rotated = api.post(f"/v1/webhook_endpoints/{made['id']}/rotate_secret", {}).json
    recorded = str(list(AuditEntry.objects.values()))
    assert made["signing_secret"] not in recorded
    assert rotated["signing_secret"] not in recorded
    assert AuditEntry.objects.filter(actor="key tests").count() == 2


@pytest.mark.parametrize(
    "url", ["http://receiver.example/hook", "ftp://receiver.example", "https://10.0.0.1/hook", "x" * 3000, "", 7]
)
def test_a_callback_url_that_nothing_may_be_sent_to_refuses_the_batch(api: Api, url: object) -> None:
    answer = api.batch(callback_url=url)
    assert (answer.status, answer.error["param"]) == (400, "callback_url")
    assert not Batch.objects.exists()
