"""Emergency stops in force, and the batches that they keep from being sent."""

from dataclasses import dataclass
from uuid import UUID

from django.db.models import Exists, Q

from batches.models import EmergencyStop, Stopped


def sending_is_stopped() -> Q:
    """The condition of batches under a stop of sending. The places of stops are read first, because they are few."""
    active = EmergencyStop.objects.active().filter(what=Stopped.SENDING).order_by()
    everywhere = Exists(active.filter(provider=None, project=None))
    providers = active.filter(provider__isnull=False).values("provider")
    projects = active.filter(project__isnull=False).values("project")
    return Q(everywhere) | Q(provider__in=providers) | Q(project__in=projects)


def is_sent_sql(batch: str) -> str:
    """The SQL condition that no stop of sending holds for a batch. `batch` is the name of the batch table in the statement."""
    active = f"""FROM {EmergencyStop._meta.db_table} WHERE ended_at IS NULL AND what = '{Stopped.SENDING.value}'"""
    return f"""NOT EXISTS (SELECT 1 {active} AND provider_id IS NULL AND project_id IS NULL)
               AND {batch}.provider_id NOT IN (SELECT provider_id {active} AND provider_id IS NOT NULL)
               AND {batch}.project_id NOT IN (SELECT project_id {active} AND project_id IS NOT NULL)"""


@dataclass(frozen=True, slots=True)
class Unsent:
    """The providers and projects under a stop of sending. None among them stands for all."""

    providers: frozenset[UUID | None]
    projects: frozenset[UUID]

    def has(self, *, provider: UUID, project: UUID) -> bool:
        """Whether a stop keeps the requests of a project from a provider."""
        return None in self.providers or provider in self.providers or project in self.projects


def unsent() -> Unsent:
    """The stops of sending without a query of batches, for an executor, which knows its batches and asks at every turn."""
    active = list(EmergencyStop.objects.active().filter(what=Stopped.SENDING).order_by())
    return Unsent(
        frozenset(stop.provider_id for stop in active if stop.project_id is None),
        frozenset(stop.project_id for stop in active if stop.project_id is not None),
    )
