"""The overview: problems, throughput, the states of providers and workers, and the latest events."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.http import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from batches.console.drawing import curl
from batches.console.drawing.provider_state import provider_rows
from batches.console.drawing.throughput_charts import charts, span_tabs
from batches.console.kit.access import SignedIn, requires
from batches.console.kit.lists.paging import capped, capped_count
from batches.console.kit.live import respond
from batches.console.kit.stop_banner import stops_shown
from batches.console.pages.portal.account_problems import account_problems
from batches.console.pages.portal.attention import NAMED, problems
from batches.console.pages.portal.provider_troubles import troubles
from batches.console.pages.portal.recent_activity import recent_activity
from batches.models import BatchMinute, ProviderJobIncident, Slice, WebhookEndpoint, Worker
from batches.services.core.access import Access, Right
from batches.services.insight.provider_jobs import open_troubles
from batches.services.insight.standby_moves import standby_moves
from batches.services.insight.throughput import PERIODS, Flow, Period, backlog, throughput
from batches.services.notices.subscriptions import stopped_subscriptions

MOST_PROVIDERS = 200  # the most providers that are examined
SHOWN_PROVIDERS = 6


@require_safe
@requires(Right.READ)
def home(_request: SignedIn) -> HttpResponseBase:
    """The address at which the console begins."""
    return redirect("console:overview")


@require_safe
@requires(Right.READ)
def overview(request: SignedIn) -> HttpResponseBase:
    """The overview of the reader's projects. Its charts are over the span of time in the address, else over an hour."""
    now = timezone.now()
    access = request.access
    span = PERIODS.get(request.GET.get("span", ""), Period.HOUR)
    went = throughput(access.within(BatchMinute.objects.all(), project="batch__project"), span=span, now=now)
    stops, incidents = stops_shown(request), ProviderJobIncident.objects.all()
    providers = list(access.providers()[:MOST_PROVIDERS])
    states = provider_rows(providers, went.by_provider, now=now)
    workers = list(Worker.objects.alive(now=now))
    context: dict[str, object] = {
        "any_batch": access.batches().exists(),
        "may_act": access.may_somewhere(Right.ACT),
        "curl": curl.create_first_batch(request),
        "span": span,
        "tabs": span_tabs(reverse("console:overview"), span),
        "stops": [(stop, access.may(Right.MANAGE, stop.project_id)) for stop in stops],
        "may_stop": access.may_somewhere(Right.MANAGE),
        "troubles": troubles(access, states, now=now),
        "account_problems": account_problems(access, now=now),
        "matters": problems(access, now=now),
        "incidents": open_troubles(access.within(incidents, project="job__batch__project"), access.readable, named=NAMED),
        "given_up": _given_up(access),
        "silent": stopped_subscriptions(access).count(),
        "standby_moves": standby_moves(access, providers, now=now),
        "may_check": access.everywhere,
        "now": now,
        "total": went.total,
        "failed_share": _share(went.total),
        "backlog": backlog(access.within(Slice.objects.all(), project="batch__project"), now=now),
        "workers": _Workers.of(workers, tells_trouble=access.everywhere),
        "charts": charts(went, span=span),
        "states": states[:SHOWN_PROVIDERS],
        "more_providers": len(states) > SHOWN_PROVIDERS,
        "activities": recent_activity(access),
    }
    return respond(request, "console/overview.html", regions="console/overview_regions.html", context=context)


@dataclass(frozen=True, slots=True)
class _Workers:
    """Who is alive: processes of either role, and the requests that they have in flight together.

    `troubles` are workers that cannot carry out some batches; told to those who see the whole portal.
    """

    control: int
    execute: int
    in_flight: int
    troubles: Sequence[Worker]

    @classmethod
    def of(cls, alive: Sequence[Worker], *, tells_trouble: bool) -> "_Workers":
        execute = sum(worker.role == Worker.Role.EXECUTE for worker in alive)
        troubles = [worker for worker in alive if worker.trouble and tells_trouble]
        return cls(len(alive) - execute, execute, sum(worker.in_flight for worker in alive), troubles)

    @property
    def total(self) -> int:
        return self.control + self.execute


def _given_up(access: Access) -> tuple[str, list[WebhookEndpoint]] | None:
    """The webhook endpoints that take nothing any more: their number and the latest few. None if there is none."""
    endpoints = access.within(WebhookEndpoint.objects.given_up()).select_related("project")
    latest = list(endpoints.order_by("-disabled_at")[:NAMED])
    return (capped(capped_count(endpoints)), latest) if latest else None


def _share(flow: Flow) -> str:
    """The share of failures in words; empty if there are no failures."""
    if not flow.failed:
        return ""
    share = 100 * flow.failed / flow.settled
    return "less than 0.1 % of finished requests" if share < 0.1 else f"{share:.1f} % of finished requests"
