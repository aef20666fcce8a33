"""A new batch from the browser: a form and an upload. The batch starts only from its report, the page of `check_input`."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.exceptions import NON_FIELD_ERRORS
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods

from batches.console.kit.access import SignedIn, find_batch, requires
from batches.console.kit.live import wants_fragment
from batches.console.pages.acts.new_batch_form import UploadForm, as_query
from batches.models import Batch, File, Purpose
from batches.rules import identifiers
from batches.rules.display.sizes import size
from batches.rules.errors import NotFound, PortalError
from batches.services.core.access import Right
from batches.services.intake.drafts import keep_draft

FORM_BYTES = 256 * 1024  # the most bytes of the form besides the file


@csrf_exempt  # the token is checked below, after the checks that must come before the body is read
@require_http_methods(["GET", "HEAD", "POST"])
@requires(Right.ACT)
def new_batch(request: SignedIn) -> HttpResponseBase:
    """The form, and the answer to it. A body over the limit is refused before it is read."""
    if int(request.headers.get("Content-Length") or 0) > settings.MAX_BATCH_FILE_BYTES + FORM_BYTES:
        form = _form(request, None, None, known=QueryDict(), now=timezone.now())
        message = f"The file is larger than the {size(settings.MAX_BATCH_FILE_BYTES)} that a batch may have."
        return _show(request, form, problem=("file", message), status=413)
    return _new_batch(request)


@csrf_protect
def _new_batch(request: SignedIn) -> HttpResponseBase:
    now = timezone.now()
    if request.method != "POST":
        source = _source(request)
        known = as_query(source) if source else request.GET
        return _show(request, _form(request, None, None, known=known, now=now), source=source)
    form = _form(request, request.POST, request.FILES, known=request.POST, now=now)
    if not form.is_valid():
        return _show(request, form, status=422)
    try:
        file = _input(form, now=now)
    except PortalError as error:
        return _show(request, form, problem=(error.param, error.message), status=error.status)
    address = f"{reverse('console:check_input', args=[file.pk])}?{form.address.urlencode()}"
    if wants_fragment(request):  # the script opens the report itself, so that it is not made twice
        return HttpResponse(status=201, headers={"Location": address})
    return redirect(address)


def _source(request: SignedIn) -> Batch | None:
    """The batch that the new one is copied from; None if there is none."""
    asked = request.GET.get("from")
    if asked is None:
        return None
    identifier = identifiers.parse(asked)
    if identifier is None:
        raise NotFound
    return find_batch(request, identifier)


def _form(request: SignedIn, data: Any, files: Any, *, known: QueryDict, now: datetime) -> UploadForm:
    """The form for the project that is named, else for the person's first project."""
    projects = request.access.projects(Right.ACT)
    named = known.get("project", "")
    # A project that the person may not see counts as unknown.
    project = (request.access.projects().filter(slug=named).first() if named.isprintable() else None) or projects.first()
    request.access.require(Right.ACT, project, act="new_batch", now=now)
    kept = kept_input(request, known.get("input_file", ""), now=now)
    return UploadForm(data, files, kept=kept, known=known, projects=projects, project=project)


def kept_input(request: SignedIn, text: str, *, now: datetime) -> File | None:
    """The input that an address or a form names; None if it does not exist, or the person may not use it."""
    identifier = identifiers.parse(text)
    usable = request.access.within(File.objects.readable(now=now), right=Right.ACT).filter(purpose=Purpose.BATCH, purged_at=None)
    return usable.filter(pk=identifier).first() if identifier else None


def _input(form: UploadForm, *, now: datetime) -> File:
    """The input: the uploaded file or the pasted lines, which are stored as a draft, else the kept file that the form names."""
    project = form.cleaned_data["project"]
    if pasted := form.pasted_lines:
        return keep_draft(ContentFile(pasted), project=project, filename="pasted.jsonl", now=now)
    content: UploadedFile[Any] | None = form.cleaned_data["file"]
    if content is None:
        assert form.kept is not None  # without it, the field `file` is required
        return form.kept
    filename = (content.name or "requests.jsonl")[-255:]
    return keep_draft(content, project=project, filename=filename, now=now)


def _show(
    request: HttpRequest,
    form: UploadForm,
    *,
    source: Batch | None = None,
    problem: tuple[str | None, str] | None = None,
    status: int = 200,
) -> HttpResponse:
    """The page with the form and its errors; for a script, only the form."""
    if problem:
        field, message = problem
        form.errors.setdefault(field if field in form.fields else NON_FIELD_ERRORS, form.error_class()).append(message)
    template = "console/new_batch_form.html" if wants_fragment(request) else "console/new_batch.html"
    limits = {"max_bytes": settings.MAX_BATCH_FILE_BYTES, "max_lines": settings.MAX_BATCH_LINES}
    lost = source is not None and form.kept is None
    return render(request, template, {"form": form, "source": source, "lost": lost, **limits}, status=status)
