"""The page of delegation: which projects let providers store their requests, how their batches run, and where that would be."""

from django import forms
from django.contrib import messages
from django.http import HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from batches.console.kit.access import SignedIn, act_of, actor, requires
from batches.models import Project
from batches.rules.errors import NotFound
from batches.rules.execution import Execution
from batches.services.core.access import Right
from batches.services.policy.delegation import PROJECT_SETTINGS, open_by_project, places_among, set_delegation

MOST_PROJECTS = 200


class DelegationForm(forms.Form):
    """The settings of one project."""

    may_delegate = forms.BooleanField(required=False)
    execution = forms.ChoiceField(required=False, choices=[("", "as the provider says"), *Execution.choices])

    def __init__(self, data: QueryDict | None = None, *, project: Project) -> None:
        initial = {name: getattr(project, name) for name in PROJECT_SETTINGS}
        super().__init__(data, auto_id=f"{project.slug}_%s", initial=initial)
        self.project = project


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Right.MANAGE)
def delegation(request: SignedIn) -> HttpResponseBase:
    """The settings of each project that the person administers. POST changes those of one."""
    now, bound = timezone.now(), None
    if request.method == "POST":
        slug = request.POST.get("project", "")
        if "\0" in slug:
            raise NotFound
        project = request.access.find(Project.objects.all(), Right.MANAGE, act=act_of(request), now=now, project="pk", slug=slug)
        bound = DelegationForm(request.POST, project=project)
        if bound.is_valid():
            _, told = set_delegation(project, settings=bound.cleaned_data, actor=actor(request), now=now)
            allowed = "may" if bound.cleaned_data["may_delegate"] else "may not"
            said = f"Project {project.slug} {allowed} have its requests stored at providers. {told.sentence}"
            messages.success(request, said.strip())
            return redirect("console:delegation")
    projects = list(request.access.projects(Right.MANAGE).order_by("slug")[:MOST_PROJECTS])
    jobs = open_by_project(projects)
    rows = [
        (bound if bound is not None and bound.project == project else DelegationForm(project=project), jobs.get(project.pk, 0))
        for project in projects
    ]
    context = {"rows": rows, "places": places_among(request.access.providers())}
    return render(request, "console/delegation.html", context, status=200 if bound is None else 422)
