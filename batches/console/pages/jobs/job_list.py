"""The list of provider jobs over all projects of the reader. Its address holds all that it shows: filters, order and page."""

from datetime import datetime

from django.http import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from batches.console.drawing.provider_job import job_rows, with_incidents
from batches.console.kit.access import SignedIn, requires
from batches.console.kit.lists.list_query import chips, choices, question, tidied
from batches.console.kit.lists.paging import (
    JOB_SORTS,
    BadPosition,
    BadSort,
    KeysetPage,
    capped,
    capped_count,
    read_sort,
    sorted_page,
)
from batches.console.kit.live import respond, wants_fragment
from batches.filters import CREATED, JOB_VIEWS, OLDER, ProviderJobFilter
from batches.models import ProviderJob
from batches.rules.execution import OPEN_JOBS
from batches.services.core.access import Right

PAGE_SIZE = 50


@require_safe
@requires(Right.READ)
def job_list(request: SignedIn) -> HttpResponseBase:
    """Provider jobs that match the filters in the address, the newest first."""
    tidy = tidied(request.GET, order=JOB_SORTS["created"])
    if not wants_fragment(request) and tidy != request.GET:
        return redirect(f"{reverse('console:provider_jobs')}?{tidy.urlencode()}")
    found = FoundJobs(request, now=timezone.now())
    rows = job_rows(found.page.rows)
    view = request.GET.get("view", "all")
    context: dict[str, object] = {
        "rows": rows,
        "page": found.page,
        "problems": found.problems,
        "filter": found.chosen,
        "chips": [] if found.chosen.problems else list(chips(found.chosen)),
        "view": view,
        "tabs": [(words, f"?view={name}", name == view) for name, words in JOB_VIEWS],
        "count": found.count(),
        "open": sum(row.job.state in OPEN_JOBS for row in rows),
        "sort": found.sort,
        "question": question(request.GET).urlencode(),
        "periods": CREATED,
        "ages": OLDER,
        "any_job": bool(rows) or request.access.within(ProviderJob.objects.all(), project="batch__project").exists(),
        "may_act": request.access.may_somewhere(Right.ACT),
        **choices(request.access),
    }
    return respond(request, "console/provider_jobs.html", regions="console/provider_jobs_regions.html", context=context)


class FoundJobs:
    """The result for the address: a page of provider jobs, or the problems because of which there is none."""

    def __init__(self, request: SignedIn, *, now: datetime) -> None:
        query = request.GET
        self.chosen = ProviderJobFilter.asked_by(request.access, query, now=now)
        self.problems = list(self.chosen.problems)
        self.page: KeysetPage[ProviderJob] = KeysetPage([])
        self.sort = JOB_SORTS["created"]
        self._is_first = not query.get("after") and not query.get("before")
        try:
            self.sort = read_sort(query.get("sort", ""), among=JOB_SORTS)
            matching = with_incidents(self.chosen.matching)
            after, before = query.get("after"), query.get("before")
            self.page = sorted_page(matching, sort=self.sort, after=after, before=before, size=PAGE_SIZE)
        except (BadPosition, BadSort) as error:
            self.problems.append(str(error))

    def count(self) -> str:
        """The number of matches in words. A single page needs no query."""
        if self.problems:
            return "0"
        whole = self._is_first and self.page.forward is None
        return capped(len(self.page.rows) if whole else capped_count(self.chosen.matching))
