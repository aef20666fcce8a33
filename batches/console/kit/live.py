"""Live pages: the same URL answers with a page, or with only those regions of it that change."""

import hashlib

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.template import loader
from django.utils.cache import get_conditional_response, patch_vary_headers

from batches.console.kit.stop_banner import told


def wants_fragment(request: HttpRequest) -> bool:
    """Whether a script asks for the regions alone."""
    return request.headers.get("X-Requested-With") == "fragment" or request.GET.get("fragment") == "1"


def respond(request: HttpRequest, page: str, *, regions: str, context: dict[str, object]) -> HttpResponseBase:
    """The page, or its regions; 304 when the regions are the same as those that the script holds."""
    if not wants_fragment(request):
        response = render(request, page, context)
        patch_vary_headers(response, ["X-Requested-With"])
        return response
    response = render(request, regions, context)
    response.content += loader.render_to_string("components/stops.html", told(request)).encode()
    tag = f'"{hashlib.sha256(response.content).hexdigest()[:32]}"'
    response.headers["ETag"] = tag
    response.headers["Cache-Control"] = "private, no-cache"
    patch_vary_headers(response, ["X-Requested-With"])  # Back must find the page, not a piece of it
    return get_conditional_response(request, etag=tag, response=response) or HttpResponse(status=304)
