"""direct: which batches the executors carry out, as opposed to those whose requests are all with a provider's batch API."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Exists, OuterRef, Q

from batches.models import Slice
from batches.rules.execution import Execution


def carried_directly() -> Q:
    """Batches of which executors carry something out now: those that are sent directly, with open requests in no job."""
    free = Exists(Slice.objects.filter(batch=OuterRef("pk"), pending__gt=0, provider_job=None))
    return Q(execution=Execution.DIRECT) | (sent_directly() & Q(free))


def sent_directly() -> Q:
    """Batches whose requests executors send: direct ones, and hybrid ones of which something was taken back."""
    return Q(execution=Execution.DIRECT) | Q(execution=Execution.HYBRID, taken_back_at__isnull=False)


def stopped_lately(now: datetime) -> Q:
    """Batches whose jobs at a provider may still bring results home, although they were cancelled or reached their deadline."""
    patience = now - timedelta(seconds=settings.JOB_CANCEL_SECONDS)
    return Q(cancelling_at__gt=patience) | Q(cancelling_at=None, finalizing_at__gt=patience)
