"""The OpenAPI document, as JSON or YAML."""

from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer

from batches.api.errors import render_error
from batches.http.errors import InvalidValue
from batches.http.rendering import encode
from batches.http.request_ids import request_id

RENDERERS = {"json": OpenApiJsonRenderer, "yaml": OpenApiYamlRenderer}


@cache
def document() -> dict[str, Any]:
    """The document. It depends on the code alone."""
    found: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return found


@cache
def _rendered(form: str) -> bytes:
    rendered = RENDERERS[form]().render(document(), renderer_context={})
    return rendered.encode() if isinstance(rendered, str) else rendered


@require_safe
def openapi_document(request: HttpRequest) -> HttpResponse:
    """The document as JSON, or as YAML with `?format=yaml`. Everybody may read it."""
    form = request.GET.get("format", "json")
    if form not in RENDERERS:
        error = InvalidValue("Invalid value for 'format': it must be json or yaml.", param="format")
        return HttpResponse(encode(render_error(error, request_id(request))), status=400, content_type="application/json")
    content_type = {"json": "application/json", "yaml": "application/yaml"}[form]
    return HttpResponse(_rendered(form), content_type=content_type)
