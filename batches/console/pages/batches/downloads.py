"""Downloads: the batch's files, and its results so far, alone or with those of its retries. All are streamed."""

import uuid

from django.http import Http404, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from batches.console.kit.access import SignedIn, find_batch, requires
from batches.dialects.shared.file_answers import file_answer
from batches.rules import identifiers
from batches.rules.errors import Gone
from batches.services.core.access import Right
from batches.services.results.object_result import result_line
from batches.services.results.results import results
from batches.services.retry.lineage import lineage, merged_results

JSON_LINES = "application/jsonl"


@require_safe
@requires(Right.READ_BODIES)
def download_file(request: SignedIn, batch_id: uuid.UUID, which: str) -> HttpResponseBase:
    """The input, output or error file, as an attachment; 410 if it is no longer kept."""
    batch = find_batch(request, batch_id)
    files = {"input": batch.input_file, "output": batch.output_file, "errors": batch.error_file}
    file = files.get(which)
    if file is None:
        raise Http404("The batch has no such file.")
    if not file.is_readable(now=timezone.now()):
        return render(request, "console/gone.html", {"batch": batch}, status=410)
    name = f"{identifiers.render('batch_', batch.id)}_{which}.jsonl"
    try:
        return file_answer(request, file, filename=name, content_type=JSON_LINES)
    except Gone:
        return render(request, "console/gone.html", {"batch": batch}, status=410)


@require_safe
@requires(Right.READ_BODIES)
def download_results(request: SignedIn, batch_id: uuid.UUID) -> HttpResponseBase:
    """One line for each settled object, good or bad, in input order. While the batch runs, the file is named partial."""
    batch = find_batch(request, batch_id)
    name = f"{identifiers.render('batch_', batch.id)}_{'results' if batch.is_terminal else 'partial'}.jsonl"
    lines = (result_line(result) for result in results(batch) if result.is_settled)
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingHttpResponse(lines, content_type=JSON_LINES, headers=headers)


@require_safe
@requires(Right.READ_BODIES)
def download_merged(request: SignedIn, batch_id: uuid.UUID) -> HttpResponseBase:
    """One line for each settled request, with its last outcome over all retries."""
    members = lineage(find_batch(request, batch_id), among=request.access.batches())
    lines = (result_line(merged.result) for merged in merged_results(members) if merged.result.is_settled)
    name = f"{identifiers.render('batch_', members[0].id)}_merged.jsonl"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingHttpResponse(lines, content_type=JSON_LINES, headers=headers)
