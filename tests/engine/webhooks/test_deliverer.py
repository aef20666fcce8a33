"""What a deliverer sends, how receivers verify it, and what becomes of each kind of answer."""

from datetime import timedelta

import pytest
from django.utils import timezone
from openai import OpenAI
from openai.types.webhooks import BatchFailedWebhookEvent
from pytest_django import Settings
from standardwebhooks import Webhook, WebhookVerificationError

from batches.models import AuditEntry, DeliveryStatus, Project, WebhookDelivery, WebhookEndpoint
from batches.rules.states import BatchStatus
from batches.services.core.transition import transition
from batches.services.webhooks import deliveries, endpoints
from tests.answers import Answer, babble, drop, redirect, refuse, say, stay_silent
from tests.cast import TESTER, request_lines, submitted
from tests.engine.webhooks.conftest import THANKS, added, deliver, deliver_until, failed, make_due
from tests.upstream import Upstream

pytestmark = pytest.mark.django_db(transaction=True)


def only() -> WebhookDelivery:
    return WebhookDelivery.objects.get()


def test_both_libraries_verify_what_a_receiver_gets(project: Project, receiver: Upstream, simulator: object) -> None:
    now = timezone.now()
    url = f"{receiver.origin}/hook?team=a%2Fb"
    _, secret = endpoints.add(project, name="", url=url, event_types=(), actor=TESTER, now=now)
    batch = failed(project)

    deliver()

    (request,) = receiver.requests
    assert (request.method, request.path) == ("POST", "/hook?team=a%2Fb")
    headers = {name: request.headers[name] for name in ("webhook-id", "webhook-timestamp", "webhook-signature")}
    assert Webhook(secret).verify(request.body, headers)["data"] == {"id": str(batch)}
    event = OpenAI(api_key="unused").webhooks.unwrap(request.body, headers, secret=secret)
    assert isinstance(event, BatchFailedWebhookEvent)
    assert (event.id, event.type, event.data.id) == (headers["webhook-id"], "batch.failed", str(batch))
    assert event.created_at == int(batch.failed_at.timestamp())
    assert request.headers["user-agent"].startswith("Batchyard/")
    assert request.headers["content-type"] == "application/json"


def test_another_secret_verifies_nothing(project: Project, endpoint: WebhookEndpoint, receiver: Upstream) -> None:
    failed(project)

    deliver()

    (request,) = receiver.requests
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + "A" * 44).verify(request.body, dict(request.headers))


def test_a_delivery_keeps_what_was_sent_and_answered(project: Project, endpoint: WebhookEndpoint, receiver: Upstream) -> None:
    batch = failed(project)

    deliver()

    (delivery,) = endpoint.deliveries.all()
    (request,) = receiver.requests
    assert (delivery.status, delivery.attempts, delivery.due_at, delivery.batch) == (DeliveryStatus.DELIVERED, 1, None, batch)
    assert (delivery.http_status, delivery.answer, delivery.failure) == (200, "thanks", "")
    assert bytes(delivery.body) == request.body
    assert delivery.wire_id == request.headers["webhook-id"]
    assert delivery.took_ms is not None
    assert delivery.lease_owner is None


def test_a_failed_try_is_repeated_with_the_same_id_and_body(
    project: Project, endpoint: WebhookEndpoint, receiver: Upstream
) -> None:
    receiver.answer(refuse(500), drop(), babble())
    failed(project)

    deliver_until(lambda: only().status == DeliveryStatus.DELIVERED)

    assert only().attempts == len(receiver.requests) == 4
    assert len({(request.headers["webhook-id"], request.body) for request in receiver.requests}) == 1
    endpoint.refresh_from_db()
    assert endpoint.failing_since is None


def test_pauses_grow_and_a_receiver_may_wish_for_longer_ones(
    project: Project, endpoint: WebhookEndpoint, receiver: Upstream
) -> None:
    receiver.answer(refuse(500), refuse(503, retry_after=900), refuse(503, retry_after=90_000))
    failed(project)

    pauses = []
    for _ in range(3):
        deliver()
        pauses.append((only().due_at - only().sent_at).total_seconds())
        make_due()

    assert 4 <= pauses[0] <= 6
    assert pauses[1:] == [900, 3600]


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (refuse(500), "The receiver answered 500."),
        (redirect("https://example.com/"), "The receiver redirects (307). Redirects are not followed."),
        (Answer(304), "The receiver redirects (304). Redirects are not followed."),
        (drop(), "The connection was closed without an answer."),
        (babble(), "The answer is not HTTP."),
        (stay_silent(), "No answer within 0.5 s."),
    ],
)
def test_a_failure_is_told_in_words_and_waits(
    project: Project, endpoint: WebhookEndpoint, receiver: Upstream, settings: Settings, answer: Answer, failure: str
) -> None:
    settings.WEBHOOK_TIMEOUT_SECONDS = 0.5
    receiver.answer(answer)
    failed(project)

    deliver()

    assert (only().status, only().failure, only().attempts) == (DeliveryStatus.WAITING, failure, 1)
    assert len(receiver.requests) == 1
    endpoint.refresh_from_db()
    assert endpoint.failing_since is not None


def test_a_receiver_that_is_away_is_tried_again(project: Project, endpoint: WebhookEndpoint, receiver: Upstream) -> None:
    receiver.stop()
    failed(project)
    deliver()
    assert (only().failure, only().http_status) == ("No connection: Connection refused.", None)

    receiver.start()
    deliver_until(lambda: only().status == DeliveryStatus.DELIVERED)


@pytest.mark.parametrize("status", [200, 500])
def test_of_a_huge_answer_only_the_beginning_is_read(
    project: Project, endpoint: WebhookEndpoint, receiver: Upstream, status: int
) -> None:
    receiver.answer(say(b"x\0y" * 20_000_000, status=status, chunked=True))
    failed(project)

    deliver()

    assert only().http_status == status
    assert only().answer == ("xy" * 2000)[:1000]
    assert (only().took_ms or 0) < 10_000


def test_a_status_counts_even_if_the_rest_of_the_answer_never_comes(
    project: Project, endpoint: WebhookEndpoint, receiver: Upstream, settings: Settings
) -> None:
    settings.WEBHOOK_TIMEOUT_SECONDS = 0.5
    receiver.answer(Answer(raw=b"HTTP/1.1 204 OK\r\nContent-Length: 100\r\n\r\n", hold_open=True), THANKS)
    receiver.answer(Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nha", hold_open=True))
    failed(project)
    failed(project)
    failed(project)

    deliver()

    assert {row.status for row in WebhookDelivery.objects.all()} == {DeliveryStatus.DELIVERED}


def test_a_receiver_that_is_gone_is_told_nothing_more(project: Project, endpoint: WebhookEndpoint, receiver: Upstream) -> None:
    receiver.answer(refuse(410))
    gone = failed(project)
    deliver()

    failed(project)
    deliver()

    endpoint.refresh_from_db()
    assert (endpoint.enabled, endpoint.disabled_reason) == (False, "The receiver answered 410: it is gone.")
    assert endpoint.disabled_at is not None
    assert (only().batch, only().status) == (gone, DeliveryStatus.GIVEN_UP)
    entry = AuditEntry.objects.get(act="disable_webhook")
    assert (entry.project, entry.target, entry.actor) == (project, str(endpoint), "engine")


def test_a_receiver_that_fails_for_days_is_disabled_and_goes_on_when_it_is_enabled(
    project: Project, endpoint: WebhookEndpoint, receiver: Upstream
) -> None:
    receiver.behave(lambda _: refuse(500))
    failed(project)
    deliver()
    WebhookEndpoint.objects.update(failing_since=timezone.now() - timedelta(days=6))
    make_due()
    deliver()
    endpoint.refresh_from_db()
    assert not endpoint.enabled
    assert endpoint.disabled_reason == "Nothing was delivered for 5 days. The last failure: The receiver answered 500."
    assert (only().status, only().due_at) == (DeliveryStatus.WAITING, None)

    receiver.behave(lambda _: THANKS)
    endpoints.change(endpoint, settings={"enabled": True}, actor=TESTER, now=timezone.now())
    deliver()

    assert only().status == DeliveryStatus.DELIVERED


def test_after_three_days_a_delivery_is_given_up_and_a_person_may_send_it_again(
    project: Project, endpoint: WebhookEndpoint, receiver: Upstream
) -> None:
    receiver.answer(refuse(500))
    failed(project)
    WebhookDelivery.objects.update(created_at=timezone.now() - timedelta(hours=72))
    deliver()
    first = only()
    assert (first.status, first.due_at) == (DeliveryStatus.GIVEN_UP, None)

    again = deliveries.redeliver(first, actor=TESTER, now=timezone.now())
    deliver()

    again.refresh_from_db()
    assert (again.status, again.redelivery_of_id, again.batch_id) == (DeliveryStatus.DELIVERED, first.pk, first.batch_id)
    former, request = receiver.requests
    assert (former.headers["webhook-id"], former.body) == (request.headers["webhook-id"], request.body)


def test_a_test_is_tried_once_and_says_what_it_is(project: Project, endpoint: WebhookEndpoint, receiver: Upstream) -> None:
    receiver.answer(refuse(500))
    delivery = deliveries.send_test(endpoint, actor=TESTER, now=timezone.now(), event_type="batch.expired")

    deliver()

    delivery.refresh_from_db()
    assert (delivery.status, delivery.is_test, delivery.http_status) == (DeliveryStatus.GIVEN_UP, True, 500)
    assert receiver.requests[0].json["type"] == "batch.expired"


def test_both_secrets_sign_while_one_replaces_the_other(project: Project, receiver: Upstream, simulator: object) -> None:
    now = timezone.now()
    endpoint, former = endpoints.add(project, name="", url=f"{receiver.origin}/hook", event_types=(), actor=TESTER, now=now)
    endpoint, secret = endpoints.rotate(endpoint, actor=TESTER, now=now)
    failed(project)
    deliver()
    WebhookEndpoint.objects.update(former_until=now)
    failed(project)
    deliver()

    during, after = receiver.requests
    for known in (former, secret):
        Webhook(known).verify(during.body, dict(during.headers))
    assert OpenAI(api_key="unused").webhooks.unwrap(during.body, dict(during.headers), secret=former)
    Webhook(secret).verify(after.body, dict(after.headers))
    with pytest.raises(WebhookVerificationError):
        Webhook(former).verify(after.body, dict(after.headers))


def test_a_callback_url_is_told_of_the_end_of_its_batch_alone(project: Project, receiver: Upstream, simulator: object) -> None:
    batch = submitted(project, request_lines(1), callback_url=f"{receiver.origin}/back?job=7")
    submitted(project, request_lines(1))
    endpoint, secret = endpoints.rotate(
        endpoints.callbacks_of(project, actor=TESTER, now=timezone.now()), actor=TESTER, now=timezone.now()
    )
    deliver()
    assert receiver.requests == []

    transition(batch, BatchStatus.EXPIRED, actor=TESTER, now=timezone.now())
    failed(project)
    deliver()

    (request,) = receiver.requests
    assert (request.path, request.json["type"], request.json["data"]) == ("/back?job=7", "batch.expired", {"id": str(batch)})
    Webhook(secret).verify(request.body, dict(request.headers))
    assert only().endpoint == endpoint


def test_one_callback_url_that_is_gone_does_not_end_the_others(project: Project, receiver: Upstream, simulator: object) -> None:
    receiver.answer(refuse(410))
    failed(project, callback_url=f"{receiver.origin}/gone")
    deliver()

    failed(project, callback_url=f"{receiver.origin}/there")
    deliver()

    told = WebhookDelivery.objects.order_by("created_at").values_list("status", flat=True)
    assert list(told) == [DeliveryStatus.GIVEN_UP, DeliveryStatus.DELIVERED]


def test_a_secret_that_this_worker_cannot_read_costs_no_try(
    project: Project, endpoint: WebhookEndpoint, receiver: Upstream, settings: Settings
) -> None:
    failed(project)
    with_key = settings.CREDENTIAL_KEYS
    settings.CREDENTIAL_KEYS = ["A" * 43 + "="]
    deliver()
    assert (only().attempts, only().status) == (0, DeliveryStatus.WAITING)
    assert "CREDENTIAL_KEYS" in only().failure

    settings.CREDENTIAL_KEYS = with_key
    deliver_until(lambda: only().status == DeliveryStatus.DELIVERED)


def test_a_changed_url_is_where_waiting_deliveries_go(project: Project, receiver: Upstream, simulator: object) -> None:
    endpoint = added(project, f"{receiver.origin}/old")
    failed(project)
    endpoints.change(endpoint, settings={"url": f"{receiver.origin}/new"}, actor=TESTER, now=timezone.now())

    deliver()

    assert [request.path for request in receiver.requests] == ["/new"]
    assert only().url == f"{receiver.origin}/new"
