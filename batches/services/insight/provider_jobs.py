"""provider_jobs: what the jobs at providers' batch APIs come to: of a batch, at a provider, and those that need a person."""

import uuid
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import Count, Min, Q, QuerySet, Sum

from batches.models import Batch, ProviderJob, ProviderJobIncident
from batches.rules.display.counted import amount_of
from batches.rules.execution import AT_PROVIDER, HELD, OPEN_JOBS, IncidentCode
from batches.services.core.access import Readable
from batches.services.insight.withheld import unquoting_incidents, unquoting_jobs
from providers.jobs.profiles import PROFILES, Profile
from providers.models import Provider

EXAMINED = 200  # the newest open incidents that are looked through for those to name
_SUMMED = ("rows", "succeeded", "failed", "never_ran", "duplicates", "late", "unpriced")
_NANOS = ("cost_nanos", "direct_cost_nanos", "wasted_nanos")


@dataclass(frozen=True, slots=True)
class JobSums:
    """The jobs of one batch together. `rows` counts a request once for each job that it was in."""

    jobs: int = 0
    open: int = 0
    rows: int = 0
    succeeded: int = 0
    failed: int = 0
    never_ran: int = 0
    duplicates: int = 0
    late: int = 0
    unpriced: int = 0
    cost_nanos: int = 0
    direct_cost_nanos: int = 0
    wasted_nanos: int = 0

    @property
    def paid_in_vain(self) -> int:
        """The rows that were paid and changed nothing."""
        return self.duplicates + self.late

    @property
    def saved_nanos(self) -> int:
        """What the batch price has saved, less what was paid in vain. Negative, if more was paid in vain."""
        return self.direct_cost_nanos - self.cost_nanos - self.wasted_nanos


NO_JOBS = JobSums()


def job_sums(batches: Iterable[Batch]) -> Mapping[uuid.UUID, JobSums]:
    """The sums over the jobs of each of these batches that has any. One query."""
    summed = {name: Sum(name) for name in (*_SUMMED, *_NANOS)}
    jobs = ProviderJob.objects.filter(batch__in=[batch.pk for batch in batches]).order_by().values_list("batch")
    found = jobs.annotate(found=Count("pk"), open=Count("pk", filter=Q(state__in=OPEN_JOBS)), **summed)
    return {batch: JobSums(*sums) for batch, *sums in found}  # in the order of its fields


@dataclass(frozen=True, slots=True)
class Bill:
    """What a batch costs with its provider jobs, in the portal's currency. `cost` is of its results, whoever sent them."""

    cost: Decimal
    direct: Decimal
    wasted: Decimal
    saved: Decimal
    unpriced: int

    @property
    def is_known(self) -> bool:
        """Whether anything had a price."""
        return bool(self.cost or self.direct or self.wasted) or not self.unpriced


def bill_of(batch: Batch, sums: JobSums) -> Bill:
    """The bill of a batch. Its requests that were sent directly cost the same in either way."""
    counts = batch.counts
    direct = counts.cost_nanos - sums.cost_nanos + sums.direct_cost_nanos
    return Bill(
        amount_of(counts.cost_nanos),
        amount_of(direct),
        amount_of(sums.wasted_nanos),
        amount_of(sums.saved_nanos),
        counts.unpriced,
    )


def bill_of_job(job: ProviderJob) -> Bill:
    """The bill of one job."""
    saved = job.direct_cost_nanos - job.cost_nanos - job.wasted_nanos
    return Bill(
        amount_of(job.cost_nanos), amount_of(job.direct_cost_nanos), amount_of(job.wasted_nanos), amount_of(saved), job.unpriced
    )


@dataclass(frozen=True, slots=True)
class BatchApi:
    """A provider's batch API and what is under way there.

    `taken` counts the places that are taken for all projects. The other figures are of the jobs that the reader sees.
    """

    profile: Profile
    taken: int
    most: int
    open: int
    requests: int
    oldest: datetime | None
    failed: ProviderJob | None

    @property
    def is_full(self) -> bool:
        return self.taken >= self.most


def batch_api(provider: Provider, among: QuerySet[ProviderJob], readable: Readable) -> BatchApi | None:
    """The batch API of a provider; None if it has none. `among` are the jobs that the reader sees."""
    profile = PROFILES.get(provider.jobs_family)
    if profile is None:
        return None
    open_jobs = among.filter(provider=provider, state__in=OPEN_JOBS).order_by()
    found = open_jobs.aggregate(jobs=Count("pk"), requests=Sum("rows", default=0), oldest=Min("created_at"))
    failed = among.filter(provider=provider).exclude(failure="").select_related("batch").defer("seen")
    latest = unquoting_jobs(failed.order_by("-created_at", "-pk")[:1], readable)
    return BatchApi(
        profile,
        taken=ProviderJob.objects.filter(provider=provider, state__in=AT_PROVIDER).count(),
        most=provider.max_open_jobs,
        open=found["jobs"],
        requests=found["requests"],
        oldest=found["oldest"],
        failed=latest[0] if latest else None,
    )


@dataclass(frozen=True, slots=True)
class Trouble:
    """The open incidents of one kind: how many, whether a person has to decide, and the newest few."""

    code: IncidentCode
    count: int
    newest: list[ProviderJobIncident]

    @property
    def is_held(self) -> bool:
        return self.code in HELD


def open_troubles(incidents: QuerySet[ProviderJobIncident], readable: Readable, *, named: int) -> list[Trouble]:
    """The open ones of these incidents by kind; those first at which nothing continues without a decision. Two queries."""
    waiting = incidents.filter(resolved_at=None)
    counts = Counter(dict(waiting.order_by().values_list("code").annotate(found=Count("pk"))))
    if not counts:
        return []
    related = waiting.select_related("job__batch__input_file", "job__provider").defer("job__seen")
    newest = unquoting_incidents(related.order_by("-opened_at", "-pk")[:EXAMINED], readable)
    order = sorted(counts, key=lambda code: (code not in HELD, list(IncidentCode).index(IncidentCode(code))))
    return [Trouble(IncidentCode(code), counts[code], [one for one in newest if one.code == code][:named]) for code in order]
