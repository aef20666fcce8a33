"""The deliveries of a webhook endpoint in the native API."""

from collections.abc import Callable

import pytest
from pytest_django import Settings

from batches.models import AuditEntry, Batch, DeliveryStatus, Project, Role, WebhookDelivery, WebhookEndpoint
from tests.api.conftest import Native, problem
from tests.webhooks import make_delivery, make_endpoint


def path(endpoint: WebhookEndpoint, rest: str = "") -> str:
    return f"webhook_endpoints/{endpoint}/deliveries{rest}"


def test_a_delivery_is_shown_with_its_event_and_answer(
    native: Native, endpoint: WebhookEndpoint, delivery: WebhookDelivery, batch: Batch
) -> None:
    shown = native.get(path(endpoint, f"/{delivery.pk}")).json
    assert (shown["id"], shown["event_id"], shown["endpoint_id"]) == (
        f"delivery_{delivery.pk.hex}",
        delivery.wire_id,
        str(endpoint),
    )
    assert (shown["status"], shown["attempts"], shown["http_status"], shown["took_ms"]) == ("delivered", 1, 200, 84)
    assert (shown["batch_id"], shown["test"], shown["redelivery_of"], shown["next_try_at"]) == (str(batch), False, None, None)
    assert shown["event"] == {
        "id": delivery.wire_id,
        "object": "event",
        "created_at": int(delivery.created_at.timestamp()),
        "type": "batch.completed",
        "data": {"id": str(batch)},
    }
    assert shown["answer"] == "Thank you"
    (listed,) = native.get(path(endpoint)).json["data"]
    assert listed == {name: value for name, value in shown.items() if name not in ("event", "answer")}


def test_the_answer_is_for_those_who_may_read_bodies(
    signed_in: Callable[..., Native], endpoint: WebhookEndpoint, delivery: WebhookDelivery, settings: Settings
) -> None:
    settings.BODIES_ROLE = "operator"
    for role, answer in ((Role.VIEWER, ""), (Role.OPERATOR, "Thank you")):
        assert signed_in(role).get(path(endpoint, f"/{delivery.pk}")).json["answer"] == answer


def test_deliveries_are_filtered_and_come_in_pages(native: Native, endpoint: WebhookEndpoint, batch: Batch) -> None:
    first = make_delivery(endpoint, batch=batch, status=DeliveryStatus.DELIVERED)
    second, third = make_delivery(endpoint, type="batch.failed"), make_delivery(endpoint, status=DeliveryStatus.GIVEN_UP)

    def found(query: str) -> list[str]:
        return [each["id"] for each in native.get(path(endpoint, f"?{query}")).json["data"]]

    wanted = [f"delivery_{each.pk.hex}" for each in (third, second, first)]
    assert found("") == wanted
    assert found("status=waiting&status=given_up") == wanted[:2]
    assert found("type=batch.failed") == [wanted[1]]
    assert found(f"batch={batch}") == [wanted[2]]
    page = native.get(path(endpoint, "?limit=2")).json
    assert [each["id"] for each in page["data"]] == wanted[:2]
    assert found(f"limit=2&cursor={page['next_cursor']}") == [wanted[2]]
    assert "cursor=" in page["next"]


@pytest.mark.parametrize("query", ["status=lost", "type=batch.lost", "colour=red", "cursor=x", "limit=0", "batch=a&batch=b"])
def test_what_is_not_understood_is_refused(native: Native, endpoint: WebhookEndpoint, query: str) -> None:
    answer = native.get(path(endpoint, f"?{query}"))
    assert (answer.status, problem(answer)["param"]) == (400, query.partition("=")[0])


def test_an_event_is_sent_again_with_the_same_id(native: Native, endpoint: WebhookEndpoint, delivery: WebhookDelivery) -> None:
    again = native.post(path(endpoint, f"/{delivery.pk}/redeliver")).json
    assert again["redelivery_of"] == f"delivery_{delivery.pk.hex}" != again["id"]
    assert (again["event_id"], again["status"]) == (delivery.wire_id, "waiting")
    assert AuditEntry.objects.get().act == "redeliver_webhook"


def test_a_viewer_sends_nothing_again(
    signed_in: Callable[..., Native], endpoint: WebhookEndpoint, delivery: WebhookDelivery
) -> None:
    assert signed_in(Role.VIEWER).post(path(endpoint, f"/{delivery.pk}/redeliver")).status == 403
    assert signed_in(Role.OPERATOR).post(path(endpoint, f"/{delivery.pk}/redeliver")).status == 200


def test_a_disabled_endpoint_gets_nothing_again(native: Native, endpoint: WebhookEndpoint, delivery: WebhookDelivery) -> None:
    WebhookEndpoint.objects.update(enabled=False)
    assert native.post(path(endpoint, f"/{delivery.pk}/redeliver")).status == 409


def test_a_delivery_of_another_endpoint_is_not_found(native: Native, project: Project, delivery: WebhookDelivery) -> None:
    other = make_endpoint(project)
    for call in ("", "/redeliver"):
        answer = native.call("POST" if call else "GET", path(other, f"/{delivery.pk}{call}"))
        assert (answer.status, problem(answer)["param"]) == (404, "delivery_id")


def test_the_types_of_events_are_explained(native: Native) -> None:
    types = {each["name"]: each["description"] for each in native.get("webhook_event_types").json["data"]}
    assert types["batch.cancelled"] == "A batch was cancelled, and its result files are there."
    assert len(types) == 6
