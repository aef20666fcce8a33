"""Live pages: one URL answers with the whole page, or, for a script, with the regions that change."""

import hashlib

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.template import loader
from django.utils.cache import get_conditional_response, patch_vary_headers

from batches.console.kit.stop_banner import told


def wants_fragment(request: HttpRequest) -> bool:
    """Whether a script asks for the regions only."""
    return request.headers.get("X-Requested-With") == "fragment" or request.GET.get("fragment") == "1"


def respond(request: HttpRequest, page: str, *, regions: str, context: dict[str, object]) -> HttpResponseBase:
    """The page, or its regions; 304 if the script has the same regions already."""
    if not wants_fragment(request):
        response = render(request, page, context)
        patch_vary_headers(response, ["X-Requested-With"])
        return response
    response = render(request, regions, context)
    response.content += loader.render_to_string("components/stops.html", told(request)).encode()
    tag = f'"{hashlib.sha256(response.content).hexdigest()[:32]}"'
    response.headers["ETag"] = tag
    response.headers["Cache-Control"] = "private, no-cache"
    patch_vary_headers(response, ["X-Requested-With"])  # the browser's Back must find the whole page
    return get_conditional_response(request, etag=tag, response=response) or HttpResponse(status=304)
