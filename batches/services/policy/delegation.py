"""delegation: who may have requests stored at providers, and what becomes of jobs that may not be sent any more.

A project allows it; a provider's settings make it possible. When one of both ends, jobs that were not sent yet are taken back,
and jobs at the provider run on and come home: they are paid for.
"""

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import Count, Q, QuerySet

from batches.models import Project, ProviderJob
from batches.rules.actors import Actor
from batches.rules.display.counted import counted
from batches.rules.errors import InvalidRequest
from batches.rules.execution import JobState, Recall
from batches.services.core import wake
from batches.services.core.audit import changed, record_act, stored
from batches.services.core.model_validation import model_validation
from batches.services.core.route import granted
from providers.jobs.profiles import PROFILES
from providers.models import Provider

PROJECT_SETTINGS = ("may_delegate", "execution")


@dataclass(frozen=True, slots=True)
class OpenJobs:
    """The provider jobs that were open when a setting changed: those that were not sent yet, and those at their provider."""

    unsent: int = 0
    at_provider: int = 0

    @property
    def sentence(self) -> str:
        """What becomes of them now that no more may be sent; empty if there are none."""
        parts = []
        if self.at_provider:
            run = counted(self.at_provider, "job runs on at its provider and comes", "jobs run on at their provider and come")
            parts.append(f"{run} home.")
        if self.unsent:
            was = counted(self.unsent, "job that was not sent yet is", "jobs that were not sent yet are")
            parts.append(f"{was} taken back.")
        return " ".join(parts)


NO_JOBS = OpenJobs()


@dataclass(frozen=True, slots=True)
class Place:
    """Where the batch API of a provider keeps requests and results, for how long, and its usual share of the direct price."""

    provider: Provider
    region: str
    days: int
    factor: Decimal | None

    @property
    def sentence(self) -> str:
        """The place in words, for the people who decide."""
        region = f"region {self.region}" if self.region else "region not known"
        return f"{self.provider.jobs_family}: {region}, results kept for {self.days} days unless they are deleted before"


def place_of(provider: Provider) -> Place:
    """The place of a provider that has a batch API."""
    profile = PROFILES[provider.jobs_family]
    return Place(provider, provider.jobs_region, profile.keeps_results.days, profile.price_factor)


def places_for(project: Project) -> list[Place]:
    """The places of the providers with a batch API that a project may use."""
    return places_among(Provider.objects.filter(granted([project])))


def places_among(providers: QuerySet[Provider]) -> list[Place]:
    """The places of those of the providers that have a batch API, by name."""
    found = providers.filter(jobs_family__in=list(PROFILES)).order_by("name").distinct()
    return [place_of(provider) for provider in found]


def about_jobs(provider: Provider) -> str:
    """How many jobs of a provider are open, and under which credential; empty if none is."""
    jobs = ProviderJob.objects.open().filter(provider=provider)
    count, former = jobs.count(), jobs.exclude(former_credential=b"").count()
    if not count:
        return ""
    under = f", {former:,} of them under a former credential" if former else ""
    return f"{counted(count, 'job is', 'jobs are')} open at its batch API{under}."


def open_jobs(jobs: QuerySet[ProviderJob]) -> OpenJobs:
    """How many of these open jobs there are."""
    is_unsent = Q(state=JobState.PREPARING)
    found = jobs.order_by().aggregate(unsent=Count("pk", filter=is_unsent), at_provider=Count("pk", filter=~is_unsent))
    return OpenJobs(**found)


def open_by_project(projects: Collection[Project]) -> dict[uuid.UUID, int]:
    """How many jobs of these projects are open, for those that have any. One query."""
    jobs = ProviderJob.objects.open().filter(batch__project__in=projects)
    return dict(jobs.order_by().values_list("batch__project").annotate(Count("pk")))


def jobs_of_project(project: Project) -> QuerySet[ProviderJob]:
    """The open jobs of a project."""
    return ProviderJob.objects.open().filter(batch__project=project)


@transaction.atomic
def set_delegation(project: Project, *, settings: Mapping[str, object], actor: Actor, now: datetime) -> tuple[Project, OpenJobs]:
    """Change whether a project's requests may be stored at providers, and how its batches run (see PROJECT_SETTINGS).

    The open jobs are told if it may not delegate any more. A project that has these settings already stays as it is. Raises
    InvalidRequest, and changes nothing.
    """
    if unknown := [name for name in settings if name not in PROJECT_SETTINGS]:
        raise InvalidRequest(f"There is no setting {unknown[0]}; there are {', '.join(PROJECT_SETTINGS)}.", param=unknown[0])
    project = Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    before = stored(project)
    for name, value in settings.items():
        setattr(project, name, "" if name == "execution" and value is None else value)
    with model_validation():
        project.clean_fields()
    if not (changes := changed(before, project)):
        return project, NO_JOBS
    project.save(update_fields=[*settings])
    found = NO_JOBS
    if "may_delegate" in changes and not project.may_delegate:
        found = open_jobs(jobs_of_project(project))
        take_back_unsent(jobs_of_project(project), by=actor.name, now=now)
    record_act("set_delegation", actor=actor, now=now, target=project, project=project, reason=found.sentence, changes=changes)
    return project, found


def family_changed(before: Provider, provider: Provider, *, by: str, now: datetime) -> OpenJobs:
    """Take unsent jobs back if the provider's batch API is another one now, or none. The jobs that were open then."""
    if before.jobs_family == provider.jobs_family:
        return NO_JOBS
    jobs = ProviderJob.objects.open().filter(provider=provider).exclude(family=provider.jobs_family)
    found = open_jobs(jobs)
    take_back_unsent(jobs, by=by, now=now)
    return found


def take_back_unsent(jobs: QuerySet[ProviderJob], *, by: str, now: datetime) -> int:
    """Take back those of the jobs that no provider has. Their requests are left to others. How many."""
    unsent = ProviderJob.objects.filter(pk__in=jobs.filter(state=JobState.PREPARING, recall="").values("pk"))
    count = unsent.take_back(Recall.PERSON, by=by, now=now)
    if count:
        wake.delegate()
    return count
