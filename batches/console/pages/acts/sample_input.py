"""A sample of an input file, to begin with: three requests for the endpoint that the form of a new batch shows."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse, HttpResponseBase
from django.urls import reverse
from django.views.decorators.http import require_safe

from batches.console.kit.access import SignedIn, requires
from batches.console.kit.exports import not_exported
from batches.console.pages.acts.new_batch_form import DEFAULT_ENDPOINT
from batches.http.parameters import allow_parameters
from batches.rules.errors import InvalidRequest
from batches.rules.lines.jsonl import dump
from batches.services.core.access import Right

ENDPOINT_CHARS = 200
QUESTIONS = ("Name the capital of France.", "Translate to German: good morning.", "Name three prime numbers.")
MODEL = "MODEL"


def _chat(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], "max_tokens": 100}


# The members of a body, by the endpoint. Other endpoints get the text as `input`.
_BODIES: Mapping[str, Any] = {
    "/v1/chat/completions": _chat,
    "/v1/messages": _chat,
    "/v1/completions": lambda text: {"prompt": text, "max_tokens": 100},
}


def sample_lines(endpoint: str, *, model: str) -> str:
    """Three lines of an input for this endpoint."""
    body = _BODIES.get(endpoint, lambda text: {"input": text})
    lines = (
        {"custom_id": f"request-{number}", "method": "POST", "url": endpoint, "body": {"model": model, **body(text)}}
        for number, text in enumerate(QUESTIONS, start=1)
    )
    return "".join(f"{dump(line)}\n" for line in lines)


@require_safe
@requires(Right.ACT)
def sample_input(request: SignedIn) -> HttpResponseBase:
    """The sample as a file. The word MODEL in it has to be replaced by the name of a model, unless the address names one."""
    try:
        allow_parameters(request.GET, "endpoint", "model")
    except InvalidRequest as error:
        return not_exported(request, [error.message], back=reverse("console:new_batch"))
    endpoint = request.GET.get("endpoint", "")[:ENDPOINT_CHARS] or DEFAULT_ENDPOINT
    model = request.GET.get("model", "")[:ENDPOINT_CHARS] or MODEL
    headers = {"Content-Disposition": 'attachment; filename="sample.jsonl"'}
    return HttpResponse(sample_lines(endpoint, model=model), content_type="application/jsonl", headers=headers)
