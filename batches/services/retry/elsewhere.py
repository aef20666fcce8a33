"""elsewhere: where the requests of unsuccessful objects have succeeded, or are being sent again."""

import uuid
from collections.abc import Sequence

from django.db.models import Q

from batches.models import BatchObject
from batches.models.batch import BatchQuerySet
from batches.rules.states import ObjectStatus
from batches.services.tally.recoveries import RECOVERABLE, lineages


def elsewhere(objects: Sequence[BatchObject], *, among: BatchQuerySet) -> dict[uuid.UUID, BatchObject]:
    """For each of these objects that another batch of its lineage has taken up: the object there, with its batch.

    Taken up is a request that succeeded in another batch, or is in a retry that has not ended. Only batches of `among`, which
    the reader may see, are looked at. At most two queries.
    """
    failed = [found for found in objects if found.status in RECOVERABLE]
    relatives = {
        batch_id: set(members) - {batch_id} for batch_id, members in lineages({found.batch_id for found in failed}).items()
    }
    others = set[uuid.UUID]().union(*relatives.values())
    if not others:
        return {}
    taken_up = Q(status=ObjectStatus.SUCCEEDED) | Q(batch__ended_at=None)
    names = {found.custom_id for found in failed}
    seen = among.filter(pk__in=others).order_by().values("pk")
    rows = BatchObject.objects.filter(taken_up, batch__in=others, custom_id__in=names).filter(batch__in=seen)
    same = rows.select_related("batch__input_file")
    by_name: dict[str, list[BatchObject]] = {}
    for found in same.order_by("batch"):
        by_name.setdefault(found.custom_id, []).append(found)
    return {
        found.pk: best
        for found in failed
        if (best := _best(by_name.get(found.custom_id, ()), among=relatives[found.batch_id])) is not None
    }


def _best(candidates: Sequence[BatchObject], *, among: set[uuid.UUID]) -> BatchObject | None:
    """The object that succeeded, else the youngest of those in a retry that has not ended."""
    own = [found for found in candidates if found.batch_id in among]
    return max(own, key=lambda found: found.status == ObjectStatus.SUCCEEDED, default=None)
