"""receipt: an erasure in sentences, with what is known now of files at providers."""

from collections.abc import Iterator
from uuid import UUID

from batches.models import Erasure, ProviderJob

MOST_JOBS = 200


def summary(erasure: Erasure) -> Iterator[str]:
    """What was erased, where, when, by whom and why; and what could not be erased."""
    yield f"{erasure}: {erasure.get_kind_display()} in project {erasure.project.slug}"
    yield f"Asked by {erasure.asked_by} at {erasure.asked_at:%Y-%m-%d %H:%M:%S %Z}: {erasure.reason}"
    yield f"Ended at {erasure.ended_at:%Y-%m-%d %H:%M:%S %Z}." if erasure.ended_at else "Running."
    yield f"SHA-256 of {erasure.salt}:VALUE is {erasure.digest}."
    for place, number in sorted(erasure.erased.items()):
        yield f"Erased {place}: {number:,}."
    if erasure.ended_at and not erasure.erased:
        yield "Nothing had the value."
    for sentence in erasure.left:
        yield f"Not erased: {sentence}"


def at_providers(erasure: Erasure) -> Iterator[str]:
    """How it went with the files that jobs of the erased batches had at their providers."""
    jobs = ProviderJob.objects.filter(batch__in=[UUID(key) for key in erasure.batches[:MOST_JOBS]]).select_related("provider")
    for job in jobs.order_by("pk")[:MOST_JOBS]:
        if job.removed_at is not None:
            yield f"Provider {job.provider.name}: deleted the files of job {job.marker} at {job.removed_at:%Y-%m-%d %H:%M %Z}."
        elif job.left_behind and job.poll_at is None:
            yield f"Provider {job.provider.name}: could not delete {'; '.join(map(str, job.left_behind))} of job {job.marker}."
        elif job.has_files:
            yield f"Provider {job.provider.name}: the files of job {job.marker} are being deleted."
