"""direct: which batches the executors carry out, as opposed to those whose requests are all with a provider's batch API."""

from django.db.models import Exists, OuterRef, Q

from batches.models import Slice
from batches.rules.execution import Execution


def carried_directly() -> Q:
    """Batches of which executors carry something out: direct ones, and hybrid ones with requests that were taken back."""
    free = Exists(Slice.objects.filter(batch=OuterRef("pk"), pending__gt=0, provider_job=None))
    return Q(execution=Execution.DIRECT) | (Q(execution=Execution.HYBRID, taken_back_at__isnull=False) & Q(free))
