"""WebhookDeliveryFilter: the filters over the deliveries of webhooks, for the console and the native API."""

from typing import ClassVar

from django.db.models import QuerySet
from django_filters import CharFilter

from batches.filters.strict import Among, StrictFilterSet
from batches.models import DeliveryStatus, EventType, WebhookDelivery
from batches.rules import identifiers

TYPES = [(each.value, each.value.removeprefix("batch.").replace("_", " ").capitalize()) for each in EventType]


class WebhookDeliveryFilter(StrictFilterSet):
    """The filters over deliveries. Each parameter narrows the list; several values of one parameter widen it."""

    others = frozenset({"after", "before", "fragment"})

    status = Among(label="Status", choices=DeliveryStatus.choices, help_text="The status; may be given several times.")
    type = Among(label="Event", choices=TYPES, help_text="The type of the event; may be given several times.")
    batch = CharFilter(label="Batch", method="of_batch", max_length=80, help_text="The id of a batch: only events of this batch.")

    class Meta:
        model = WebhookDelivery
        fields: ClassVar[list[str]] = []

    def of_batch(self, deliveries: QuerySet[WebhookDelivery], _name: str, text: str) -> QuerySet[WebhookDelivery]:
        identifier = identifiers.parse(text.strip().lower())
        return deliveries.filter(batch=identifier) if identifier else deliveries.none()
