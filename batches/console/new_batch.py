"""A new batch from the browser: one form, one upload, one batch."""

from datetime import timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import NON_FIELD_ERRORS
from django.core.files.uploadedfile import UploadedFile
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods

from batches.console.access import SignedIn, actor, requires
from batches.console.live import wants_fragment
from batches.errors import NoProvider, PortalError
from batches.models import Batch, Dialect, Project, Purpose
from batches.services.access import Right
from batches.services.route import granted_providers, route
from batches.services.store import hide, store
from batches.services.submit import submit
from providers.base import OPENAI_ENDPOINTS

WINDOWS = {"24h": timedelta(hours=24)}
DEFAULT_ENDPOINT = "/v1/chat/completions"
ENDPOINTS = sorted(OPENAI_ENDPOINTS, key=lambda endpoint: (endpoint != DEFAULT_ENDPOINT, endpoint))
FORM_BYTES = 256 * 1024  # everything of the form but the file
MOST_PAIRS, KEY_CHARS, VALUE_CHARS = 16, 64, 512


class NewBatchForm(forms.Form):
    """What a batch needs. The providers on offer are those granted to the chosen project."""

    project = forms.ModelChoiceField(Project.objects.none(), to_field_name="slug", empty_label=None)
    endpoint = forms.ChoiceField(choices=[(endpoint, endpoint) for endpoint in ENDPOINTS])
    provider = forms.ChoiceField()
    window = forms.ChoiceField(choices=[("24h", "24 hours")])
    remark = forms.CharField(required=False, max_length=500)
    file = forms.FileField(allow_empty_file=True, error_messages={"required": "Choose a file with one request a line."})

    def __init__(self, data: Any, files: Any, *, projects: QuerySet[Project], project: Project | None, endpoint: str) -> None:
        super().__init__(data, files, initial={"project": project and project.slug, "endpoint": endpoint, "window": "24h"})
        project_field = self.fields["project"]
        assert isinstance(project_field, forms.ModelChoiceField)
        project_field.queryset = projects
        granted = granted_providers(project) if project else []
        choices = [
            (provider.name, f"{provider.name} (simulator)" if provider.simulated else provider.name) for provider in granted
        ]
        provider_field = self.fields["provider"]
        assert isinstance(provider_field, forms.ChoiceField)
        default = _default_provider(project, endpoint)
        provider_field.choices = choices if default or len(choices) < 2 else [("", "Choose one"), *choices]
        provider_field.initial = default

    @property
    def metadata(self) -> dict[str, str]:
        """The pairs whose key or value is filled in."""
        return {key: value for key, value in self.metadata_rows if key or value}

    @property
    def metadata_rows(self) -> list[tuple[str, str]]:
        """The pairs as they were typed, and at least one to type into."""
        if not isinstance(self.data, QueryDict):
            return [("", "")]
        keys, values = (self.data.getlist(name) for name in ("metadata_key", "metadata_value"))
        return list(zip(keys, values, strict=False)) or [("", "")]

    def clean(self) -> None:
        """Metadata keeps to the limits that the API has."""
        keys = [key for key, value in self.metadata_rows if key or value]
        if len(keys) > MOST_PAIRS:
            self.add_error(None, f"A batch may have {MOST_PAIRS} pairs of metadata.")
        if len(set(keys)) < len(keys):
            self.add_error(None, "A metadata key is given twice.")
        for key, value in self.metadata.items():
            if not 0 < len(key) <= KEY_CHARS or len(value) > VALUE_CHARS or "\0" in key + value:
                self.add_error(None, f"A metadata key has 1 to {KEY_CHARS} characters, a value up to {VALUE_CHARS}.")


def _default_provider(project: Project | None, endpoint: str) -> str | None:
    try:
        return route(project, endpoint=endpoint).name if project else None
    except NoProvider:
        return None


@csrf_exempt  # the token is checked below, after what must come before the body is read
@require_http_methods(["GET", "HEAD", "POST"])
@requires(Right.ACT)
def new_batch(request: SignedIn) -> HttpResponseBase:
    """The form, and what it sends. A body over the limit is refused unread."""
    if int(request.headers.get("Content-Length") or 0) > settings.MAX_BATCH_FILE_BYTES + FORM_BYTES:
        form = _form(request, None, None)
        message = f"The file is larger than the {settings.MAX_BATCH_FILE_BYTES // 10**6:,} MB that a batch may have."
        return _show(request, form, problem=("file", message), status=413)
    return _new_batch(request)


@csrf_protect
def _new_batch(request: SignedIn) -> HttpResponseBase:
    if request.method != "POST":
        return _show(request, _form(request, None, None))
    form = _form(request, request.POST, request.FILES)
    if not form.is_valid():
        return _show(request, form, status=422)
    try:
        batch = _create(request, form)
    except PortalError as error:
        return _show(request, form, problem=(error.param, error.message), status=error.status)
    return redirect("console:batch", batch.id)


def _form(request: SignedIn, data: Any, files: Any) -> NewBatchForm:
    """The form for the project and endpoint that the request names, else for the first ones."""
    named = data if data is not None else request.GET
    projects = request.access.projects(Right.ACT)
    project = Project.objects.called(named.get("project", "")) or projects.first()
    request.access.require(Right.ACT, project, act="new_batch", now=timezone.now())
    endpoint = named.get("endpoint", "")
    return NewBatchForm(
        data, files, projects=projects, project=project, endpoint=endpoint if endpoint in ENDPOINTS else DEFAULT_ENDPOINT
    )


def _create(request: SignedIn, form: NewBatchForm) -> Batch:
    """Keep the file and submit the batch; a file whose batch is refused is let go."""
    chosen, now, by = form.cleaned_data, timezone.now(), actor(request)
    content: UploadedFile[Any] = chosen["file"]
    filename = (content.name or "requests.jsonl")[-255:]
    file = store(content, project=chosen["project"], purpose=Purpose.BATCH, filename=filename, now=now)
    try:
        return submit(
            chosen["project"],
            dialect=Dialect.OPENAI,
            endpoint=chosen["endpoint"],
            input_file=file,
            completion_window=chosen["window"],
            window=WINDOWS[chosen["window"]],
            actor=by,
            now=now,
            metadata=form.metadata or None,
            provider_name=chosen["provider"],
            remark=chosen["remark"],
        )
    except PortalError:
        hide(file, now=now)
        raise


def _show(
    request: HttpRequest, form: NewBatchForm, *, problem: tuple[str | None, str] | None = None, status: int = 200
) -> HttpResponse:
    """The form with its errors beside the fields; for a script, the form alone."""
    if problem:
        field, message = problem
        form.errors.setdefault(field if field in form.fields else NON_FIELD_ERRORS, form.error_class()).append(message)
    template = "console/new_batch_form.html" if wants_fragment(request) else "console/new_batch.html"
    context = {"form": form, "max_bytes": settings.MAX_BATCH_FILE_BYTES, "max_lines": settings.MAX_BATCH_LINES}
    return render(request, template, context, status=status)
