"""Acts on many provider jobs, ticked or all that match: first a preview of what would be done and what is skipped."""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.contrib import messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from batches.console.drawing.provider_job import job_rows, with_incidents
from batches.console.kit.access import SignedIn, actor, requires
from batches.console.kit.lists.list_query import chips
from batches.console.kit.lists.paging import COUNT_CAP
from batches.filters import ProviderJobFilter
from batches.models import ProviderJob
from batches.rules import identifiers
from batches.rules.actors import REASON_CHARS, Actor
from batches.rules.display.counted import counted
from batches.rules.errors import InvalidRequest
from batches.rules.execution import OPEN_JOBS
from batches.services.core.access import Access, Right
from batches.services.delegation.decide import look_now, to_look_at
from batches.services.delegation.take_back import recall_many, recallable

SAMPLE = 10
MOST_TICKED = 1000
Jobs = QuerySet[ProviderJob]


@dataclass(frozen=True, slots=True)
class ManyAct:
    """An act on many jobs: its words, those of the jobs that it fits, and its service."""

    words: str
    done: str
    consequences: tuple[str, ...]
    fitting: Callable[[Jobs], Jobs]
    perform: Callable[[Jobs, Actor, datetime, str], int]
    destroys: bool = False


MANY_ACTS = {
    "look": ManyAct(
        words="Look now",
        done="looked at",
        consequences=("Workers look at these jobs first, as fast as their providers allow.",),
        fitting=to_look_at,
        perform=lambda jobs, by, now, reason: look_now(jobs, actor=by, now=now, reason=reason),
    ),
    "recall": ManyAct(
        words="Take back",
        done="taken back",
        consequences=(
            "Each job is cancelled at its provider. Jobs that were not sent yet are not created.",
            "Results that a provider finished until then are collected, and paid.",
            "Hybrid batches send the remaining requests directly; delegated batches put them into further jobs.",
        ),
        fitting=recallable,
        perform=lambda jobs, by, now, reason: recall_many(jobs, actor=by, now=now, reason=reason),
        destroys=True,
    ),
}


@dataclass(frozen=True, slots=True)
class Skipped:
    """How many of the chosen jobs an act does not fit, and why."""

    count: int
    why: str


@require_POST
@requires(Right.ACT)
def act_on_jobs(request: SignedIn) -> HttpResponseBase:
    """Show what an act would do to the chosen jobs, and do it after the answer. Each job is checked again then."""
    now, data, back = timezone.now(), request.POST, _back(request)
    act = MANY_ACTS.get(data.get("act", ""))
    try:
        if act is None:
            raise InvalidRequest("There is no such act.")
        before = _before(data, now=now)
        chosen, query = _chosen(request, before=before)
    except InvalidRequest as error:
        messages.error(request, error.message)
        return redirect(back)
    permitted = request.access.within(chosen, right=Right.ACT, project="batch__project")
    fitting = act.fitting(permitted)
    count = fitting.order_by()[: COUNT_CAP + 1].count()
    typed = str(count) if act.destroys and count > settings.BULK_OPERATION_TYPED_ABOVE else ""
    problems = _problems(data, count=count, typed=typed) if "confirmed" in data else []
    if "confirmed" in data and not problems:
        reason = data.get("reason", "").strip()[:REASON_CHARS]
        done = act.perform(ProviderJob.objects.filter(pk__in=fitting.values("pk")), actor(request), now, reason)
        messages.success(request, f"{counted(done, 'provider job')} {act.done}. The audit log has each of them.")
        return redirect(back)
    context = {
        "act": act,
        "word": data["act"],
        "count": count,
        "is_too_much": count > COUNT_CAP,
        "most": COUNT_CAP,
        "skipped": _skipped(request.access, chosen, act),
        "rows": job_rows(with_incidents(fitting).order_by("-created_at", "-pk")[:SAMPLE]),
        "query": query.urlencode() if query is not None else None,
        "chips": list(chips(ProviderJobFilter.asked_by(request.access, query, now=before), tab="")) if query is not None else [],
        "ticked": data.getlist("job") if query is None else [],
        "before": before.isoformat(),
        "typed": typed,
        "reason": data.get("reason", ""),
        "reason_chars": REASON_CHARS,
        "problems": problems,
        "back": back,
    }
    return render(request, "console/many_jobs.html", context, status=422 if problems else 200)


def _before(data: QueryDict, *, now: datetime) -> datetime:
    """The time of the preview. Jobs that were made later are not touched, and the filter is read as it was then."""
    if "before" not in data:
        return now
    try:
        found = parse_datetime(data.get("before", ""))
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise InvalidRequest("The form has no valid time of its preview. Choose the jobs again.")
    return min(found, now)


def _chosen(request: SignedIn, *, before: datetime) -> tuple[Jobs, QueryDict | None]:
    """The chosen jobs, with the query that chose them unless they were ticked. Raises InvalidRequest."""
    data, access = request.POST, request.access
    if data.get("scope") == "matching":
        query = QueryDict(data.get("query", ""))
        chosen = ProviderJobFilter.asked_by(access, query, now=before)
        if chosen.problems:
            raise InvalidRequest(f"No job was touched: {' '.join(chosen.problems)}")
        return chosen.matching.filter(created_at__lte=before), query
    keys = [identifiers.parse(text) for text in data.getlist("job")[:MOST_TICKED]]
    ticked: Sequence[uuid.UUID] = [key for key in keys if key is not None]
    if not ticked:
        raise InvalidRequest("No provider job is ticked.")
    return access.within(ProviderJob.objects.filter(pk__in=ticked), project="batch__project"), None


def _problems(data: QueryDict, *, count: int, typed: str) -> list[str]:
    problems = []
    if count > COUNT_CAP:
        problems.append(f"One act is for at most {COUNT_CAP:,} jobs. Narrow the filter.")
    if not data.get("reason", "").strip():
        problems.append("Say why.")
    if typed and data.get("typed", "").replace(",", "").strip() != typed:
        problems.append(f"Type {typed} to confirm.")
    return problems


def _skipped(access: Access, chosen: Jobs, act: ManyAct) -> list[Skipped]:
    """The reasons why chosen jobs are skipped, with their numbers. Two queries."""
    permitted = access.within(chosen, right=Right.ACT, project="batch__project")
    counted = permitted.order_by().aggregate(
        found=Count("pk"),
        over=Count("pk", filter=~Q(state__in=OPEN_JOBS)),
        recalled=Count("pk", filter=Q(state__in=OPEN_JOBS) & ~Q(recall="")),
    )
    foreign = 0 if access.everywhere else chosen.order_by().count() - counted["found"]
    found = [Skipped(foreign, "in projects where you are no operator")]
    if act.destroys:
        found += [Skipped(counted["over"], "ended already"), Skipped(counted["recalled"], "being taken back already")]
    else:
        left = counted["found"] - act.fitting(permitted).order_by().count()
        found.append(Skipped(left, "ended, with nothing left at the provider"))
    return [one for one in found if one.count]


def _back(request: SignedIn) -> str:
    """The address of the list that asked, with its filter and page."""
    given, own = request.POST.get("back", ""), reverse("console:provider_jobs")
    is_own = given.startswith((own, reverse("console:batches")))
    return given if is_own and url_has_allowed_host_and_scheme(given, {request.get_host()}) else own
