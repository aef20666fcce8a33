"""How endpoints and deliveries of webhooks stand, in a word, a tone and a sentence; and the rows of tables of deliveries."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import QuerySet

from batches.console.drawing.batch_state import Badge, Tone
from batches.models import DeliveryStatus, WebhookDelivery, WebhookEndpoint
from batches.rules.display.counted import counted


def endpoint_badge(endpoint: WebhookEndpoint) -> Badge:
    """Whether events are sent to an endpoint, and arrive."""
    if not endpoint.enabled:
        if endpoint.failing_since is not None:
            return Badge("Disabled by failures", Tone.BAD, "Nothing is sent, because its deliveries failed for too long.")
        return Badge("Disabled", Tone.MUTE, "Nothing is sent until it is enabled again.")
    if endpoint.failing_since is not None:
        return Badge("Failing", Tone.WARN, "Its deliveries fail, and are tried again.")
    return Badge("Enabled", Tone.GOOD, "Events are sent.")


def delivery_badge(delivery: WebhookDelivery) -> Badge:
    """Whether an event has arrived."""
    match DeliveryStatus(delivery.status):
        case DeliveryStatus.DELIVERED:
            return Badge("Delivered", Tone.GOOD, "The receiver has it.")
        case DeliveryStatus.GIVEN_UP:
            return Badge("Given up", Tone.BAD, f"It was not accepted in {counted(delivery.attempts, 'try', 'tries')}.")
    if delivery.due_at is None and delivery.lease_owner is None:
        return Badge("On hold", Tone.MUTE, "It is not sent while its endpoint is disabled.")
    if delivery.attempts:
        return Badge("Trying again", Tone.WARN, f"It was not accepted in {counted(delivery.attempts, 'try', 'tries')} so far.")
    return Badge("Waiting", Tone.WAIT, "It is sent as soon as a worker is free.")


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """A delivery with the state that pages show of it."""

    delivery: WebhookDelivery
    standing: Badge


def named(deliveries: "QuerySet[WebhookDelivery]") -> "QuerySet[WebhookDelivery]":
    """Deliveries with the related rows that tables name, and without the bodies that tables do not show."""
    return deliveries.select_related("endpoint", "batch__input_file", "project").defer("body", "answer")


def delivery_rows(deliveries: Iterable[WebhookDelivery]) -> list[DeliveryRow]:
    """The rows of a table of deliveries from `named`. No query."""
    return [DeliveryRow(delivery, delivery_badge(delivery)) for delivery in deliveries]
