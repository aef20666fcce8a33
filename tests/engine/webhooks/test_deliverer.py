"""What a deliverer sends, how receivers verify it, and what becomes of each kind of answer."""

from datetime import timedelta

import pytest
from django.utils import timezone
from openai import OpenAI
from openai.types.webhooks import BatchFailedWebhookEvent
from pytest_django import Settings
from standardwebhooks import Webhook, WebhookVerificationError

from batches.models import DeliveryStatus, Project, WebhookDelivery, WebhookEndpoint
from batches.services.webhooks import deliveries, endpoints
from tests.answers import Answer, babble, drop, redirect, refuse, say, stay_silent
from tests.cast import TESTER
from tests.engine.webhooks.conftest import THANKS, deliver, deliver_until, failed, make_due
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
    assert batch.failed_at is not None
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
        delivery = only()
        assert delivery.due_at is not None
        assert delivery.sent_at is not None
        pauses.append((delivery.due_at - delivery.sent_at).total_seconds())
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
