"""downtime: which providers are down, and since when. The beat notes it, for the rule of the standby and for pages."""

from datetime import datetime

from django.db.models import Q

from batches.models import ProviderHealth
from batches.services.standing.provider_state import SUSPECT, provider_state


def is_down(health: ProviderHealth, *, now: datetime) -> bool:
    """Whether a provider as a whole carries nothing out. What executors noted long ago tells nothing of it."""
    return provider_state(health.provider, health, now=now).is_down


def note_downtime(*, now: datetime) -> list[ProviderHealth]:
    """Note which providers went down, and which ones came back. Return those that are down, with `down_since`.

    One query as long as all providers work.
    """
    down = []
    suspects = ProviderHealth.objects.filter(Q(down_since__isnull=False) | SUSPECT, model="")
    for health in suspects.select_related("provider__standby"):
        row = ProviderHealth.objects.filter(pk=health.pk)
        if not is_down(health, now=now):
            if health.down_since is not None:
                row.update(down_since=None)
            continue
        if health.down_since is None:
            row.update(down_since=now)
            health.down_since = now
        down.append(health)
    return down
