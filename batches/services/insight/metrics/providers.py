"""providers: how providers stand, the slots of their limits, and their jobs."""

from collections.abc import Callable, Iterator
from datetime import datetime

from django.conf import settings
from django.db.models import Count
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

from batches.models import EmergencyStop, ProviderHealth, ProviderJob, ProviderJobIncident, Stopped
from batches.models.worker import ALIVE_FOR
from batches.rules.execution import OPEN_JOBS, IncidentCode
from batches.services.insight.metrics.names import OTHER, names_of_providers
from batches.services.standing.look import states_of_providers
from batches.services.standing.provider_state import ProviderState
from providers.models import Provider

_FIGURES: dict[str, tuple[str, Callable[[ProviderState], int]]] = {
    "up": ("Whether the provider carries requests out, as far as is known.", lambda state: not state.is_down),
    "slots_limit": ("Requests in flight that an operator allows.", lambda state: state.limit),
    "slots_allowed": ("Requests that may be in flight at present.", lambda state: state.allowed),
    "slots_in_use": ("Requests in flight.", lambda state: state.in_flight),
}


def providers(now: datetime) -> Iterator[Metric]:
    """The state and the slots of the METRICS_MOST_PROVIDERS oldest providers, and the emergency stops."""
    shown = list(Provider.objects.order_by("pk")[: settings.METRICS_MOST_PROVIDERS])
    states = states_of_providers(shown, now=now)
    noted = ProviderHealth.objects.filter(provider__in=shown, model="", updated_at__gt=now - ALIVE_FOR)
    granted = dict(noted.values_list("provider", "in_use"))
    for name, (help_text, figure) in _FIGURES.items():
        family = GaugeMetricFamily(f"batchyard_provider_{name}", help_text, labels=["provider"])
        for provider in shown:
            family.add_metric([provider.name], figure(states[provider.pk]))
        yield family
    slots = GaugeMetricFamily("batchyard_provider_slots_granted", "Slots that executors have, used or not.", labels=["provider"])
    for provider in shown:
        slots.add_metric([provider.name], granted.get(provider.pk, 0))
    yield slots
    present = GaugeMetricFamily("batchyard_provider_state", "1 for the present state.", labels=["provider", "state"])
    for provider in shown:
        present.add_metric([provider.name, states[provider.pk].code.value], 1)
    yield present
    stops = dict(EmergencyStop.objects.active().order_by().values_list("what").annotate(Count("pk")))
    stopped = GaugeMetricFamily("batchyard_emergency_stops", "Emergency stops in force.", labels=["what"])
    for what in Stopped:
        stopped.add_metric([what.value], stops.get(what.value, 0))
    yield stopped


def jobs(_now: datetime) -> Iterator[Metric]:
    """The open provider jobs by state, and the open incidents."""
    named = names_of_providers()
    counts: dict[tuple[str, str], int] = {}
    rows = ProviderJob.objects.filter(state__in=OPEN_JOBS).order_by().values_list("provider", "state").annotate(Count("pk"))
    for provider_id, state, number in rows:
        key = named.get(provider_id, OTHER), state
        counts[key] = counts.get(key, 0) + number
    family = GaugeMetricFamily("batchyard_provider_jobs", "Open provider jobs by state.", labels=["provider", "state"])
    for key, number in sorted(counts.items()):
        family.add_metric(key, number)
    yield family
    opened = dict(ProviderJobIncident.objects.filter(resolved_at=None).order_by().values_list("code").annotate(Count("pk")))
    incidents = GaugeMetricFamily("batchyard_provider_job_incidents", "Open incidents of provider jobs.", labels=["code"])
    for code in IncidentCode:
        incidents.add_metric([code.value], opened.get(code.value, 0))
    yield incidents
