"""Emergency stops: which are in force, and which batches they keep from being sent."""

from dataclasses import dataclass
from uuid import UUID

from django.db.models import Exists, Q

from batches.models import Batch, EmergencyStop, Stopped


def sending_is_stopped() -> Q:
    """Batches of which nothing is sent at present. The places are looked up first, for they are few."""
    active = EmergencyStop.objects.active().filter(what=Stopped.SENDING).order_by()
    everywhere = Exists(active.filter(provider=None, project=None))
    providers = active.filter(provider__isnull=False).values("provider")
    projects = active.filter(project__isnull=False).values("project")
    return Q(everywhere) | Q(provider__in=providers) | Q(project__in=projects)


def is_sent_sql(batch: str) -> str:
    """The opposite as SQL, for a statement in which the table of batches is called `batch`."""
    active = f"""FROM {EmergencyStop._meta.db_table} WHERE ended_at IS NULL AND what = '{Stopped.SENDING.value}'"""
    return f"""NOT EXISTS (SELECT 1 {active} AND provider_id IS NULL AND project_id IS NULL)
               AND {batch}.provider_id NOT IN (SELECT provider_id {active} AND provider_id IS NOT NULL)
               AND {batch}.project_id NOT IN (SELECT project_id {active} AND project_id IS NOT NULL)"""


@dataclass(frozen=True, slots=True)
class Unsent:
    """For which providers and projects nothing is sent; None among them stands for all."""

    providers: frozenset[UUID | None]
    projects: frozenset[UUID]

    def has(self, *, provider: UUID, project: UUID) -> bool:
        """Whether nothing of a project is sent to a provider."""
        return None in self.providers or provider in self.providers or project in self.projects


def unsent() -> Unsent:
    """The same rule for who knows the batches already: an executor asks at every turn."""
    active = list(EmergencyStop.objects.active().filter(what=Stopped.SENDING).order_by())
    return Unsent(
        frozenset(stop.provider_id for stop in active if stop.project_id is None),
        frozenset(stop.project_id for stop in active if stop.project_id is not None),
    )


def stop_of_sending(batch: Batch) -> EmergencyStop | None:
    """Why nothing of a batch is sent at present, if an emergency stop is the reason: the one of the widest place."""
    stops = EmergencyStop.objects.active().filter(what=Stopped.SENDING).select_related("provider", "project")
    found = stops.concerning(project=batch.project_id, provider=batch.provider_id)
    return min(found, key=lambda stop: (stop.project_id is not None, stop.provider_id is not None), default=None)
