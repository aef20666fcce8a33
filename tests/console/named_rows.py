"""The rows that addresses of the console name, each of one batch or of its project."""

from collections.abc import Callable, Mapping

from django.db.models import Model
from django.utils import timezone

from batches.models import ApiKey, Batch, EmergencyStop, Erasure, LegalHold, ProviderJob
from batches.rules.execution import IncidentCode, JobState
from tests.console.jobs import make_job
from tests.webhooks import delivery_of, endpoint_of


def key_of(batch: Batch) -> ApiKey:
    """A key of the batch's project."""
    return ApiKey.objects.filter(project=batch.project).first() or ApiKey.issue(project=batch.project, name="web")[0]


def stop_of(batch: Batch) -> EmergencyStop:
    """A stop of intake for the batch's project."""
    about = {"reason": "It is on fire.", "began_at": timezone.now(), "began_by": "user ops"}
    return EmergencyStop.objects.get_or_create(what="intake", project=batch.project, defaults=about)[0]


def job_of(batch: Batch) -> ProviderJob:
    """A job in doubt over the lines of the batch, with an incident."""
    return batch.provider_jobs.first() or make_job(batch, state=JobState.UNCERTAIN, incident=IncidentCode.GONE)


def hold_of(batch: Batch) -> LegalHold:
    """A hold of the batch."""
    about = {"reason": "A lawsuit.", "placed_at": timezone.now(), "placed_by": "user ops"}
    return LegalHold.objects.get_or_create(project=batch.project, batch=batch, defaults=about)[0]


def erasure_of(batch: Batch) -> Erasure:
    """An erasure in the project of the batch."""
    about = {"salt": "x", "digest": "x", "reason": "A letter.", "asked_at": timezone.now(), "asked_by": "user ops"}
    return Erasure.objects.get_or_create(project=batch.project, kind="custom_id", defaults=about)[0]


ROWS: Mapping[str, Callable[[Batch], Model]] = {
    "key_id": key_of,
    "stop_id": stop_of,
    "job_id": job_of,
    "hold_id": hold_of,
    "erasure_id": erasure_of,
    "endpoint_id": lambda batch: endpoint_of(batch.project),
    "delivery_id": delivery_of,
}
