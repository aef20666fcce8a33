"""terms: how long a project keeps each kind of things, by its own policy or by the settings of the portal."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction

from batches.models import Project, RetentionKind, RetentionPolicy
from batches.rules.actors import Actor
from batches.rules.errors import InvalidRequest
from batches.services.core.audit import plainly, record_act

DAY = timedelta(days=1)
MOST_DAYS = 36_500  # a hundred years


class OutOfBounds(InvalidRequest):
    """The number of days is not within the portal's bounds."""

    code = "retention_out_of_bounds"


@dataclass(frozen=True, slots=True)
class Term:
    """How long a project keeps one kind of things. `lifetime` is None if the kind is kept until something else removes it.

    `setting` names the setting of the portal that would hold without a policy. `policy` is the project's own, if it has one.
    """

    kind: RetentionKind
    lifetime: timedelta | None
    setting: str
    policy: RetentionPolicy | None = None

    @property
    def days(self) -> int | None:
        """The lifetime in days, rounded down, but one at least."""
        return None if self.lifetime is None else max(self.lifetime // DAY, 1)

    @property
    def source(self) -> str:
        """Where the term comes from, for people."""
        return f"this project, by {self.policy.set_by}" if self.policy else f"the portal ({self.setting})"

    @property
    def bounds(self) -> tuple[int, int]:
        """The fewest and the most days that a project may set."""
        return bounds_of(self.kind)


SETTINGS: Mapping[RetentionKind, str] = {
    RetentionKind.BODIES: "BODIES_RETENTION_DAYS",
    RetentionKind.FILES: "FILE_LIFETIME_SECONDS",
    RetentionKind.RESULTS: "FILE_LIFETIME_SECONDS",
    RetentionKind.BATCHES: "BATCH_RETENTION_DAYS",
    RetentionKind.EVENTS: "EVENT_RETENTION_DAYS",
    RetentionKind.AUDIT: "AUDIT_RETENTION_DAYS",
    RetentionKind.UPLOADS: "UPLOAD_RETENTION_DAYS",
    RetentionKind.DELIVERIES: "WEBHOOK_LOG_DAYS",
}


def bounds_of(kind: RetentionKind) -> tuple[int, int]:
    """The fewest and the most days that a project may set for a kind, by RETENTION_BOUNDS."""
    bounds: dict[str, tuple[int, int | None]] = settings.RETENTION_BOUNDS
    least, most = bounds.get(kind.value, (1, MOST_DAYS))
    return least, MOST_DAYS if most is None else most


def portal_term(kind: RetentionKind) -> timedelta | None:
    """How long the portal keeps a kind for projects without a policy of their own."""
    value = getattr(settings, SETTINGS[kind])
    if value is None:
        return None
    return timedelta(seconds=value) if SETTINGS[kind].endswith("_SECONDS") else value * DAY


def terms(project: Project) -> list[Term]:
    """The terms of all kinds in a project. One query."""
    own = {policy.kind: policy for policy in RetentionPolicy.objects.filter(project=project)}
    return [_term(kind, own.get(kind)) for kind in RetentionKind]


def own_days(project: Project, kind: RetentionKind) -> int | None:
    """The days of the project's own policy; None if it has none."""
    return RetentionPolicy.objects.filter(project=project, kind=kind).values_list("days", flat=True).first()


def file_lifetime(
    project: Project, kind: RetentionKind, *, asked: timedelta | None, default: timedelta | None
) -> timedelta | None:
    """How long a new file lives: as its client asked, else as the project or the portal says, and never beyond the policy."""
    own = own_days(project, kind)
    if own is None:
        return asked or default
    return min(asked, own * DAY) if asked else own * DAY


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of every project, read once for a run of the beat."""

    own: Mapping[tuple[UUID, str], int]

    def of(self, project: UUID, kind: RetentionKind) -> timedelta | None:
        """How long the project keeps this kind."""
        days = self.own.get((project, kind.value))
        return portal_term(kind) if days is None else days * DAY

    def own_term(self, project: UUID, kind: RetentionKind) -> timedelta | None:
        """How long the project keeps this kind by its own policy; None if it has none."""
        days = self.own.get((project, kind.value))
        return None if days is None else days * DAY


def all_terms() -> Terms:
    """The terms of every project. One query."""
    return Terms({(row.project_id, row.kind): row.days for row in RetentionPolicy.objects.all()})


@transaction.atomic
def set_terms(project: Project, *, days: Mapping[RetentionKind, int | None], actor: Actor, now: datetime) -> list[Term]:
    """Give a project terms of its own. None sets the portal's term again; kinds that are not named stay. All terms.

    Raises OutOfBounds, and changes nothing then.
    """
    project = Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    before = {kind.value: own_days(project, kind) for kind in days}
    for kind, number in days.items():
        _require_within_bounds(kind, number)
        if number is None:
            RetentionPolicy.objects.filter(project=project, kind=kind).delete()
        elif number != before[kind.value]:
            about = {"days": number, "set_by": actor.name[:200], "set_at": now}
            RetentionPolicy.objects.update_or_create(project=project, kind=kind, defaults=about)
    changes = plainly(**{kind.value: (before[kind.value], number) for kind, number in days.items()})
    if changes:
        record_act("set_retention", actor=actor, now=now, target=project, project=project, changes=changes)
    return terms(project)


def _require_within_bounds(kind: RetentionKind, days: int | None) -> None:
    least, most = bounds_of(kind)
    if days is not None and not least <= days <= most:
        raise OutOfBounds(f"{kind.label} may be kept from {least} to {most} days, not {days}.", param=kind.value)


def _term(kind: RetentionKind, policy: RetentionPolicy | None) -> Term:
    return Term(kind, policy.days * DAY if policy else portal_term(kind), SETTINGS[kind], policy)


def kinds_named(names: Iterable[str]) -> list[RetentionKind]:
    """The kinds with these names. Raises InvalidRequest for a name that no kind has."""
    known = ", ".join(RetentionKind.values)
    for name in names:
        if name not in RetentionKind.values:
            raise InvalidRequest(f"There is no kind {name!r}. Known: {known}.", param="kind")
    return [RetentionKind(name) for name in names]
