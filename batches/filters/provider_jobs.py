"""ProviderJobFilter: the one set of filters over jobs at the providers' batch APIs, for lists, exports and bulk acts."""

import uuid
from datetime import datetime
from typing import ClassVar, Self

from django.core.validators import RegexValidator
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import QueryDict
from django_filters import CharFilter, ChoiceFilter, IsoDateTimeFilter, MultipleChoiceFilter

from batches.filters.batch import require_in_any_zone
from batches.filters.periods import LENGTH, require_period, span_of
from batches.filters.strict import Among, AmongRows, StrictFilterSet, negations
from batches.models import Project, ProviderJob, ProviderJobIncident
from batches.rules import identifiers
from batches.rules.execution import HELD, OPEN_JOBS, IncidentCode, JobState, Recall
from batches.services.core.access import Access, providers_of
from providers.models import Provider

JOB_VIEWS = [
    ("all", "All"),
    ("open", "Open"),
    ("attention", "Needs attention"),
    ("held", "Needs a decision"),
    ("recalled", "Taken back"),
    ("left", "Files left behind"),
]
OLDER = [
    ("1h", "More than 1 hour"),
    ("6h", "More than 6 hours"),
    ("24h", "More than 24 hours"),
    ("7d", "More than 7 days"),
]
RECALLS = [
    (Recall.LATE.value, "would be late"),
    (Recall.STOPPED.value, "its batch stopped"),
    (Recall.PERSON.value, "by an operator"),
    (Recall.MOVED.value, "its batch was moved"),
]

require_length = RegexValidator(rf"\A{LENGTH.pattern}\Z", "It is not a length of time such as 90m, 24h, 7d or 2w.")


class ProviderJobFilter(StrictFilterSet):
    """The filters over provider jobs. Each parameter narrows the list; several values of one parameter widen it."""

    others = frozenset({"after", "before", "sort", "fragment"})
    negatable = ("state", "project", "provider")

    view = ChoiceFilter(label="View", choices=JOB_VIEWS, method="in_view")
    text = CharFilter(label="Search", method="with_text", max_length=300)
    state = Among(label="State", choices=JobState.choices)
    project = AmongRows(label="Project", field_name="batch__project", queryset=Project.objects.all(), to_field_name="slug")
    provider = AmongRows(label="Provider", queryset=Provider.objects.all(), to_field_name="name")
    batch = CharFilter(label="Batch", method="of_batch", max_length=80)
    incident = MultipleChoiceFilter(label="Incident", choices=IncidentCode.choices, method="with_incident")
    recall = Among(label="Taken back", choices=RECALLS)
    older = CharFilter(label="Open for", method="open_for", validators=[require_length])
    created = CharFilter(label="Created", method="created_within", validators=[require_period])
    created_from = IsoDateTimeFilter(
        label="Created from", field_name="created_at", lookup_expr="gte", validators=[require_in_any_zone]
    )
    created_to = IsoDateTimeFilter(
        label="Created to", field_name="created_at", lookup_expr="lt", validators=[require_in_any_zone]
    )

    class Meta:
        model = ProviderJob
        fields: ClassVar[list[str]] = []

    @classmethod
    def asked_by(cls, access: Access, query: QueryDict, *, now: datetime) -> Self:
        """The filters of a query, over the jobs that a person sees."""
        jobs = access.within(ProviderJob.objects.all(), project="batch__project")
        found = cls(query, queryset=jobs, now=now)
        if (within := access.filter_within) is not None:
            for name, choices in {"project": within, "provider": providers_of(within)}.items():
                for spelling in (name, *negations(name)):
                    found.filters[spelling].queryset = choices
        return found

    def in_view(self, jobs: QuerySet[ProviderJob], _name: str, view: str) -> QuerySet[ProviderJob]:
        """The jobs in a built-in view."""
        conditions = {
            "open": Q(state__in=OPEN_JOBS),
            "attention": Q(_has_open_incident()),
            "held": Q(_has_open_incident(code__in=HELD)),
            "recalled": ~Q(recall=""),
            "left": ~Q(left_behind=[]),
        }
        return jobs.filter(conditions[view]) if view in conditions else jobs

    def with_text(self, jobs: QuerySet[ProviderJob], _name: str, text: str) -> QuerySet[ProviderJob]:
        """Jobs with this id, marker or id at the provider, or of the batch with this id."""
        text = text.strip()
        identifier = identifiers.parse(text.lower()) or _id_in_marker(text)
        by_id = Q(pk=identifier) | Q(batch=identifier) if identifier else Q()
        return jobs.filter(Q(remote_id=text) | Q(marker=text) | Q(input_ref=text) | by_id)

    def of_batch(self, jobs: QuerySet[ProviderJob], _name: str, text: str) -> QuerySet[ProviderJob]:
        identifier = identifiers.parse(text.strip().lower())
        return jobs.filter(batch=identifier) if identifier else jobs.none()

    def with_incident(self, jobs: QuerySet[ProviderJob], _name: str, codes: list[str]) -> QuerySet[ProviderJob]:
        """Jobs with an open incident of one of these kinds."""
        return jobs.filter(_has_open_incident(code__in=codes)) if codes else jobs

    def open_for(self, jobs: QuerySet[ProviderJob], _name: str, length: str) -> QuerySet[ProviderJob]:
        """Open jobs that were made longer ago than this."""
        begin, _ = span_of(length, now=self.now)
        return jobs.filter(state__in=OPEN_JOBS, created_at__lt=begin) if begin else jobs.none()

    def created_within(self, jobs: QuerySet[ProviderJob], _name: str, period: str) -> QuerySet[ProviderJob]:
        begin, end = span_of(period, now=self.now)
        jobs = jobs.filter(created_at__gte=begin) if begin else jobs
        return jobs.filter(created_at__lt=end) if end else jobs


def _has_open_incident(**narrowed: object) -> Exists:
    return Exists(ProviderJobIncident.objects.filter(job=OuterRef("pk"), resolved_at=None, **narrowed))


def _id_in_marker(text: str) -> uuid.UUID | None:
    """The id of the job to which a marker belongs or belonged."""
    return identifiers.parse(text[2:34]) if text.startswith("by") else None
