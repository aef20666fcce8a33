"""The data of a project: how long each kind is kept, legal holds, disk use, and what stays longer than it should."""

from collections.abc import Iterator

from django import forms
from django.contrib import messages
from django.http import HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from batches.console.kit.access import SignedIn, actor, find, requires
from batches.models import Erasure, LegalHold, Project, RetentionKind
from batches.rules.display.counted import counted
from batches.rules.errors import NotFound
from batches.services.core.access import Right
from batches.services.retention.disk_use import disk_use, stored_by_project, total
from batches.services.retention.holds import holds_of
from batches.services.retention.terms import MOST_DAYS, OutOfBounds, Term, set_terms, terms
from batches.services.upkeep.overdue import overdue

MOST_PROJECTS = 200
SHOWN_HOLDS = 50
SHOWN_ERASURES = 20


class TermsForm(forms.Form):
    """The days of each kind. An empty field leaves the portal's term."""

    def __init__(self, data: QueryDict | None = None, *, found: list[Term]) -> None:
        super().__init__(data)
        self._terms = {term.kind: term for term in found}
        for kind, term in self._terms.items():
            least, most = term.bounds
            self.fields[kind.value] = forms.IntegerField(
                required=False,
                min_value=least,
                max_value=most,
                initial=term.policy.days if term.policy else None,
                help_text=f"{least} to {most:,} days" if most < MOST_DAYS else f"{counted(least, 'day')} or more",
            )

    def rows(self) -> Iterator[tuple[Term, forms.BoundField]]:
        """Each term with its field."""
        return ((term, self[kind.value]) for kind, term in self._terms.items())

    @property
    def days(self) -> dict[RetentionKind, int | None]:
        """What was chosen. The form must be valid."""
        return {kind: self.cleaned_data[kind.value] for kind in self._terms}


@require_safe
@requires(Right.MANAGE)
def kept_data(request: SignedIn) -> HttpResponseBase:
    """The projects that the person administers, with the bytes that they have stored."""
    projects = list(request.access.projects(Right.MANAGE).order_by("slug")[:MOST_PROJECTS])
    stored = stored_by_project(projects)
    held = set(LegalHold.objects.active().filter(project__in=projects).values_list("project", flat=True))
    rows = [(project, stored.get(project.pk, 0), project.pk in held) for project in projects]
    return render(request, "console/kept_data.html", {"rows": rows})


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Right.MANAGE)
def project_data(request: SignedIn, project: str) -> HttpResponseBase:
    """The data of one project. POST changes how long it keeps what."""
    now, found = timezone.now(), named_project(request, project)
    form = TermsForm(request.POST if request.method == "POST" else None, found=terms(found))
    if form.is_valid():
        try:
            set_terms(found, days=form.days, actor=actor(request), now=now)
        except OutOfBounds as error:  # the bounds have changed since the form was shown
            form.add_error(error.param, error.message)
        else:
            messages.success(request, f"Saved how long project {found.slug} keeps its data.")
            return redirect("console:project_data", found.slug)
    uses = disk_use(found, now=now)
    context = {
        "project": found,
        "form": form,
        "uses": uses,
        "total": total(uses),
        "holds": holds_of(found)[:SHOWN_HOLDS],
        "overdue": overdue(found, now=now),
        "erasures": Erasure.objects.filter(project=found)[:SHOWN_ERASURES],
    }
    return render(request, "console/project_data.html", context, status=422 if form.is_bound else 200)


def named_project(request: SignedIn, slug: str) -> Project:
    """The project that the address names, if the person administers it. Raises NotFound and NotPermitted."""
    if not slug.isprintable():
        raise NotFound
    return find(request, Project.objects.all(), project="pk", slug=slug)
