"""The pages of providers: the state of each provider, its limits, its failures, and the batches that wait for it."""

from datetime import datetime

from django.conf import settings
from django.contrib import messages
from django.db.models import QuerySet, Sum
from django.http import Http404, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from batches.console.drawing.batch_state import badge, progress
from batches.console.drawing.provider_state import provider_row, provider_rows
from batches.console.drawing.throughput_charts import charts, span_tabs
from batches.console.kit.access import SignedIn, actor, requires
from batches.console.kit.guards import guards_of_provider
from batches.console.kit.lists.paging import capped, capped_count
from batches.console.kit.live import respond
from batches.console.kit.stop_banner import stops_shown
from batches.console.pages.portal.account_problems import account_problem
from batches.console.pages.portal.provider_acts import provider_acts
from batches.models import BatchMinute, ErrorGroupHour, ProviderJob, load_counts
from batches.rules.states import BatchStatus
from batches.services.core.access import Access, Right, everything
from batches.services.insight.error_groups import GroupWindow
from batches.services.insight.provider_jobs import batch_api
from batches.services.insight.standby_moves import standby_moves
from batches.services.insight.throughput import PERIODS, Period, throughput
from batches.services.policy.delegation import place_of
from batches.services.standing.look import Look, states_of_batches
from batches.services.upstreams import providers
from providers.failures import Kind
from providers.jobs.profiles import PROFILES
from providers.models import Provider

MOST_PROVIDERS = 200
SHOWN_BATCHES = 10
SHOWN_KINDS = 10


@require_safe
@requires(Right.READ)
def provider_list(request: SignedIn) -> HttpResponseBase:
    """The providers that the person may know of, with the outcomes of the last hour. Providers in trouble come first."""
    now = timezone.now()
    minutes = request.access.within(BatchMinute.objects.all(), project="batch__project")
    flows = throughput(minutes, span=Period.HOUR, now=now).by_provider
    states = provider_rows(request.access.providers()[:MOST_PROVIDERS], flows, now=now)
    context: dict[str, object] = {"states": states, "may_delegate": request.access.may_somewhere(Right.MANAGE)}
    return respond(request, "console/providers.html", regions="console/providers_regions.html", context=context)


@require_safe
@requires(Right.READ)
def provider_page(request: SignedIn, name: str) -> HttpResponseBase:
    """One provider. Batches, failures and counts are those of the reader's projects. The credential is never shown."""
    now, access = timezone.now(), request.access
    provider = _find(access, name)
    span = PERIODS.get(request.GET.get("span", ""), Period.HOUR)
    went = throughput(access.within(provider_minutes(provider), project="batch__project"), span=span, now=now)
    look = Look.at([provider.pk], now=now)
    health = {model: row for (_, model), row in look.health.items()}
    waiting = access.batches().filter(provider=provider, status=BatchStatus.IN_PROGRESS)
    rows = list(waiting.select_related("input_file", "provider").order_by("-priority", "created_at")[:SHOWN_BATCHES])
    load_counts(rows)
    count = len(rows) if len(rows) < SHOWN_BATCHES else capped_count(waiting)
    stops = stops_shown(request)
    states = states_of_batches(rows, now=now, look=look)
    context: dict[str, object] = {
        "provider": provider,
        "problem": account_problem(access, health.get(""), now=now),
        "acts": provider_acts(access, provider) if access.may_somewhere(Right.ACT) else None,
        "standby": access.providers().filter(pk=provider.standby_id).first() if provider.standby_id else None,
        "standby_after": f"{settings.STANDBY_AFTER_SECONDS / 60:g} min",
        "standby_moves": standby_moves(access, [provider], now=now),
        "state": provider_row(provider, went.total, look=look),
        "span": span,
        "tabs": span_tabs(reverse("console:provider", args=[provider.name]), span),
        "charts": charts(went, span=span),
        "models": [(model, health.get(model.name)) for model in provider.models.all()],
        "now": now,
        "kinds": _recent_kinds(access, provider, now=now),
        "failed_attempts": _failed_attempts(access, provider, now=now),
        "batches": [(batch, badge(states[batch.pk]), progress(batch)) for batch in rows],
        "batch_count": capped(count),
        "more_batches": count > len(rows),
        "guards": guards_of_provider(provider),
        "place": place_of(provider) if provider.jobs_family in PROFILES else None,
        "may_delegate": access.may_somewhere(Right.MANAGE),
        "batch_api": batch_api(provider, access.within(ProviderJob.objects.all(), project="batch__project"), access.readable),
        "polls_a_minute": settings.JOB_POLLS_PER_MINUTE,
        "endpoints": sorted(provider.endpoints),
        "currency": settings.CURRENCY,
        "credential": provider.credential_kept if access.everywhere else "",
        "may_check": access.everywhere,
        "stops": [stop for stop in stops if stop.project_id is None and stop.is_about(provider)],
    }
    return respond(request, "console/provider.html", regions="console/provider_regions.html", context=context)


@require_POST
@requires(Right.READ)
def check_provider(request: SignedIn, name: str) -> HttpResponseBase:
    """Check the connection, with a call if a model is named. For administrators of the portal."""
    now, provider = timezone.now(), _find(request.access, name)
    request.access.require(Right.MANAGE, None, act="check_provider", now=now, target=provider)
    model = request.POST.get("model", "").strip()[:200]
    found = providers.check_provider(provider, actor=actor(request), now=now, model=model)
    (messages.success if found.ok else messages.error)(request, f"Connection of {provider.name} checked: {found.message}")
    return _back(request, provider)


@require_POST
@requires(Right.READ)
def resume_provider(request: SignedIn, name: str) -> HttpResponseBase:
    """End the hold of a provider. For administrators of the portal."""
    now, provider = timezone.now(), _find(request.access, name)
    request.access.require(Right.MANAGE, None, act="resume_provider", now=now, target=provider)
    if providers.resume_provider(provider, actor=actor(request), now=now):
        messages.success(request, f"Provider {provider.name} resumed. It is held again when the next request fails as before.")
    else:
        messages.info(request, f"Provider {provider.name} is not held: nothing to resume.")
    return _back(request, provider)


def _back(request: SignedIn, provider: Provider) -> HttpResponseBase:
    """Redirect to the page with the pressed button."""
    if request.POST.get("back") == "overview":
        return redirect("console:overview")
    return redirect("console:provider", provider.name)


def provider_minutes(provider: Provider) -> QuerySet[BatchMinute]:
    """The counts by minute of the provider's present batches."""
    return BatchMinute.objects.filter(batch__provider=provider)


def _find(access: Access, name: str) -> Provider:
    provider = access.providers().filter(name=name).first()
    if provider is None:
        raise Http404("There is no such provider.")
    return provider


def _failed_attempts(access: Access, provider: Provider, *, now: datetime) -> int:
    """How many attempts failed in 24 hours that another attempt follows, or followed."""
    minutes = access.within(provider_minutes(provider), project="batch__project").filter(
        minute__gte=GroupWindow.DAY.starts(now=now)
    )
    return int(minutes.aggregate(found=Sum("retried", default=0))["found"])


def _recent_kinds(access: Access, provider: Provider, *, now: datetime) -> list[dict[str, object]]:
    """The recent failures by kind, code and HTTP status, from counts by hour. The most frequent come first."""
    since = GroupWindow.DAY.starts(now=now)
    hours = access.within(ErrorGroupHour.objects.filter(hour__gte=since, group__provider=provider.name), project="group__project")
    rows = hours.order_by().values("group__kind", "group__code", "group__http_status").annotate(count=Sum("count"))
    return [
        {
            "kind": Kind.known(row["group__kind"]),
            "code": row["group__code"] if access.readable is everything else "",  # an upstream's own words
            "http_status": row["group__http_status"],
            "count": row["count"],
        }
        for row in rows.order_by("-count", "group__code")[:SHOWN_KINDS]
    ]
