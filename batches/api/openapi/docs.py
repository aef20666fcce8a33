"""The page that explains the native API. It is made from the OpenAPI document, and has no script."""

from dataclasses import replace
from functools import cache

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from batches.api.openapi.document import document
from batches.api.openapi.examples import HOST
from batches.api.openapi.operations import Operation, Section, read_operation
from batches.api.openapi.samples import KEY, Sample, pretty
from batches.api.openapi.schema import BASE
from batches.dialects.shared.faces import faces
from batches.models import Dialect

SECTIONS = (
    "Batches",
    "Inside a batch",
    "Provider jobs",
    "Error groups",
    "Search",
    "Files",
    "Webhooks",
    "Kept data",
    "Providers",
    "Quotas",
    "Emergency stops",
)


@require_safe
def docs_page(request: HttpRequest) -> HttpResponse:
    """The page with all calls, their parameters and their answers. Everybody may read it."""
    host = request.build_absolute_uri("/").rstrip("/")
    context = {
        "sections": sections(host),
        "steps": {name: text.replace(HOST, host) for name, text in STEPS.items()},
        "dialects": [(face.dialect.label, host + face.base) for face in faces() if face.dialect != Dialect.NATIVE],
        "base": BASE,
        "error": ERROR,
    }
    return render(request, "api/docs.html", context)


@cache
def _operations() -> list[tuple[str, Operation]]:
    return [
        (operation["tags"][0], read_operation(path, method.upper(), operation))
        for path, operations in document()["paths"].items()
        for method, operation in operations.items()
    ]


def sections(host: str) -> list[Section]:
    """Every operation by section, in the order of their paths. `host` is the address in the examples."""
    found: dict[str, list[Operation]] = {}
    for name, operation in _operations():
        calls = [Sample(sample.label, sample.text.replace(HOST, host)) for sample in operation.calls]
        result = operation.result.replace(HOST, host)
        found.setdefault(name, []).append(replace(operation, calls=calls, result=result))
    return [Section(name, found[name]) for name in SECTIONS]


STEPS = {
    "create": f"""curl {HOST}{BASE}/batches {KEY} \\
  -H "Content-Type: application/json" -d '{{
  "endpoint": "/v1/chat/completions",
  "requests": [
    {{"custom_id": "few", "body": {{"model": "any", "messages": [{{"role": "user", "content": "One word for: not many."}}]}}}},
    {{"custom_id": "many", "body": {{"model": "any", "messages": [{{"role": "user", "content": "One word for: a lot."}}]}}}}
  ]
}}'""",
    "retrieve": f"curl {HOST}{BASE}/batches/batch_… {KEY}",
    "results": f"curl {HOST}{BASE}/batches/batch_…/results {KEY}",
}
ERROR = pretty(
    {
        "error": {
            "code": "unknown_parameter",
            "message": "There is no filter “colour”.",
            "param": "colour",
            "request_id": "req_5b0c8f5f2f0e4d21a0d34d6d9a1c77e0",
        }
    }
)
