"""downtime: whether a provider is down, and since when. The beat notes it, for the rule of the standby and for pages."""

from datetime import datetime

from django.db.models import Q

from batches.models import ProviderHealth
from batches.models.worker import ALIVE_FOR


def is_down(health: ProviderHealth, *, now: datetime) -> bool:
    """Whether a provider as a whole carries nothing out: its account has a problem, or its circuit breaker is not closed.

    A breaker that is due for a probe counts until a probe is answered. What executors noted long ago tells nothing: with
    nothing to send, they note nothing.
    """
    if health.has_account_problem:
        return True
    if health.breaker == ProviderHealth.Breaker.CLOSED:
        return False
    return health.updated_at > now - ALIVE_FOR or (health.breaker_until is not None and health.breaker_until > now)


def note_downtime(*, now: datetime) -> list[ProviderHealth]:
    """Note which providers went down, and which ones came back. Return those that are down, with `down_since`.

    One query as long as all providers work.
    """
    suspects = Q(down_since__isnull=False) | ~Q(hold_kind="") | ~Q(breaker=ProviderHealth.Breaker.CLOSED)
    down = []
    for health in ProviderHealth.objects.filter(suspects, model="").select_related("provider__standby"):
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
