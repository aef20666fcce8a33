"""reconcile: find work whose message was lost. The beat runs it; every step may be repeated without harm."""

import logging
from datetime import datetime

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.db.models import Exists, OuterRef, Q

from batches.models import Batch, ProviderJob, Slice, Worker
from batches.rules.actors import RECONCILE
from batches.rules.errors import LostRace
from batches.rules.states import BatchStatus
from batches.services.bulk.run import wake_unattended
from batches.services.control.enforce_guards import enforce_guards
from batches.services.core import wake
from batches.services.core.lease import is_free
from batches.services.delegation.creating.hand_over import anything_to_hand_over
from batches.services.delegation.due import anything_due as any_job_due
from batches.services.delegation.take_back import recall_due
from batches.services.lifecycle.claim import anything_to_claim
from batches.services.lifecycle.expire import expire
from batches.services.lifecycle.finalize import WINDING_UP
from batches.services.notices.parcels import anything_due as any_notice_due
from batches.services.tally.workers import forget_killed
from batches.services.telemetry.catalogue import RECONCILE_FINDINGS
from batches.services.telemetry.counts import count
from batches.services.upkeep.standby import let_standbys_take_over
from batches.services.webhooks.due import anything_due as any_delivery_due

logger = logging.getLogger(__name__)

AT_ONCE = 200  # how many batches of each kind one run takes; the next run is a second later


def reconcile(*, now: datetime) -> None:
    """Expire overdue batches, pause batches that exceed a guard, and wake workers for work that nobody does.

    Batches of a provider that is down for long move to its standby.
    """
    wake_unattended(now=now)
    if any_job_due(now=now):
        wake.delegate()
    if any_delivery_due(now=now) or any_notice_due(now=now):
        wake.notify()
    if not Batch.objects.filter(ended_at=None).exists():
        if ProviderJob.objects.open().exists():
            recall_due(now=now)  # jobs may outlive their batches
        return  # an idle portal makes only these few queries a second
    overdue = Batch.objects.filter(ended_at=None, expires_at__lte=now).exclude(status__in=WINDING_UP)
    for batch in overdue.order_by("expires_at")[:AT_ONCE]:
        try:
            expire(batch, actor=RECONCILE, now=now)
            count(RECONCILE_FINDINGS, "overdue")
        except LostRace:
            continue
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            logger.exception("%s could not be expired", batch)  # the other batches are still expired
    recall_due(now=now)
    if anything_to_hand_over(now=now):
        wake.delegate()
    enforce_guards(now=now)
    let_standbys_take_over(now=now)
    unattended = Batch.objects.filter(is_free(now)).order_by("created_at")
    for batch_id in unattended.filter(status=BatchStatus.VALIDATING).values_list("pk", flat=True)[:AT_ONCE]:
        count(RECONCILE_FINDINGS, "unvalidated")
        wake.validate(batch_id)
    settled = ~Exists(Slice.objects.filter(batch=OuterRef("pk"), pending__gt=0))
    to_wind_up = Q(status__in=WINDING_UP) | Q(settled, status=BatchStatus.IN_PROGRESS)
    for batch_id in unattended.filter(to_wind_up).values_list("pk", flat=True)[:AT_ONCE]:
        count(RECONCILE_FINDINGS, "unfinished")
        wake.finalize(batch_id)
    if anything_to_claim(now=now):
        forget_killed()
        if Worker.objects.alive(now=now).seated().count() < settings.EXECUTORS:
            count(RECONCILE_FINDINGS, "unclaimed")
            wake.execute()
