"""How many requests a bulk retry would send at most, from the counts of its batches."""

from django.conf import settings
from django.db.models import F, Sum

from batches.models import Batch, BatchErrorGroup, OnInvalid, Slice
from batches.models.batch import BatchQuerySet
from batches.rules.states import OPEN, TERMINAL

_UNRESOLVED = (
    F("failed") + F("cancelled") + F("expired") - F("recovered_failed") - F("recovered_cancelled") - F("recovered_expired")
)


def most_requests(eligible: BatchQuerySet, *, error_group: str) -> int:
    """The number of unsuccessful requests of these batches, of one error group if it is named. At most three queries.

    Those that retries have recovered are left out. Those that a retry is sending at this moment are not.
    """
    batches = Batch.objects.filter(pk__in=eligible.order_by().values("pk")[: settings.BULK_OPERATION_MAX_BATCHES])
    if error_group:
        groups = BatchErrorGroup.objects.filter(batch__in=batches.values("pk"), group__fingerprint=error_group)
        return int(groups.aggregate(found=Sum(F("count") - F("recovered"), default=0))["found"])
    ended = batches.filter(status__in=TERMINAL).aggregate(found=Sum(_UNRESOLVED, default=0))["found"]
    running = Slice.objects.filter(batch__in=batches.filter(status__in=OPEN).values("pk"))
    failing = running.aggregate(found=Sum("failed", default=0))["found"]
    skipped = batches.filter(on_invalid=OnInvalid.SKIP, in_progress_at__isnull=False)
    return max(int(ended + failing - skipped.aggregate(found=Sum("error_count", default=0))["found"]), 0)
