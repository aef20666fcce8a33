"""Downloads: the files of a batch, and exports of its results, alone or with those of its retries. All are streamed."""

import uuid

from django.http import Http404, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from batches.console.kit.access import SignedIn, find_batch, requires
from batches.console.kit.exports import batch_address, not_exported, reads_bodies
from batches.dialects.shared.file_answers import file_answer
from batches.http.exports import export_answer, read_result_choice
from batches.http.parameters import allow_parameters
from batches.rules import identifiers
from batches.rules.errors import Gone, InvalidRequest
from batches.services.core.access import Right
from batches.services.exports.problems_export import export_recorded_problems
from batches.services.exports.results_export import export_results

JSON_LINES = "application/jsonl"


@require_safe
@requires(Right.READ_BODIES)
def download_file(request: SignedIn, batch_id: uuid.UUID, which: str) -> HttpResponseBase:
    """The input, output or error file, as an attachment; 410 if it is no longer kept."""
    batch = find_batch(request, batch_id)
    try:
        allow_parameters(request.GET)
    except InvalidRequest as error:
        return not_exported(request, [error.message], back=batch_address(batch))
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
@requires(Right.READ)
def export_batch_problems(request: SignedIn, batch_id: uuid.UUID) -> HttpResponseBase:
    """The recorded problems of the input of a batch, as CSV."""
    batch = find_batch(request, batch_id)
    try:
        allow_parameters(request.GET)
    except InvalidRequest as error:
        return not_exported(request, [error.message], back=batch_address(batch))
    return export_answer(export_recorded_problems(batch, readable=request.access.readable))


@require_safe
@requires(Right.READ)
def export_batch(request: SignedIn, batch_id: uuid.UUID) -> HttpResponseBase:
    """Results of the batch or its lineage: all, the successes, the failures, or one error group; as CSV or JSON lines.

    Readers who may not read answers get the export without them.
    """
    batch = find_batch(request, batch_id)
    try:
        choice = read_result_choice(request.GET)
        with_bodies = reads_bodies(request, batch)
        return export_answer(export_results(batch, choice, among=request.access.batches(), with_bodies=with_bodies))
    except InvalidRequest as error:
        return not_exported(request, [error.message], back=batch_address(batch))
    except Gone:
        return render(request, "console/gone.html", {"batch": batch}, status=410)
