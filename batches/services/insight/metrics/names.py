"""names: the values of the labels `provider` and `project`. Settings bound how many there are; the others share one value."""

import uuid

from django.conf import settings

from providers.models import Provider

OTHER = "other"


def names_of_providers() -> dict[uuid.UUID, str]:
    """The names of the METRICS_MOST_PROVIDERS oldest providers. Those of newer ones are added up as OTHER.

    The oldest keep their label whatever comes, so that no counter goes down.
    """
    oldest = Provider.objects.order_by("pk")[: settings.METRICS_MOST_PROVIDERS]
    return dict(oldest.values_list("pk", "name"))
