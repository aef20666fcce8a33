"""Live pages: one address answers with the whole page or, for a script, with the regions of it that changed.

A template of regions separates them by `<!-- region -->`. The ETag of a fragment holds a digest for each region. A script
sends the ETag back in two headers: `If-None-Match` asks for a 304, and `X-Known-Regions` asks for only the regions whose
digests differ. Relative times and CSRF tokens are different in every answer. They are left out of the digests, because the
browser keeps relative times true by itself, and an older CSRF token stays valid.

A 304 that needs no page is cheaper still. A view that knows some facts about its page passes them to `unchanged` before it
asks for the rest. Equal facts are trusted for FACTS_HOLD seconds; then the page is made and compared again.
"""

import hashlib
import re
import zlib
from collections.abc import Sequence
from datetime import datetime

from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.template import loader
from django.utils.cache import patch_vary_headers
from django.utils.http import parse_etags

from batches.console.kit.stop_banner import told

REGION = "<!-- region -->"
KNOWN_REGIONS = "X-Known-Regions"
FACTS_HOLD = 5  # seconds
_TAG = re.compile(r'(?:W/)?"([0-9a-f]{16})((?:\.[0-9a-f]{16})+)"')
_NO_FACTS = "0" * 16
_RELATIVE = re.compile(r"(<time [^>]*\bdata-(?:relative|running)>)[^<]*")
_TOKEN = re.compile(r'(name="csrfmiddlewaretoken" value=")[^"]*')


def wants_fragment(request: HttpRequest) -> bool:
    """Whether a script asks for the regions only."""
    return request.headers.get("X-Requested-With") == "fragment" or request.GET.get("fragment") == "1"


def unchanged(request: HttpRequest, facts: Sequence[object], *, now: datetime) -> HttpResponseBase | None:
    """A 304 if a script has the regions that were made from the same facts a moment ago; else None.

    The facts hold for one person and one address. `respond` puts their digest into the ETag.
    """
    if not wants_fragment(request):
        return None
    address = request.get_full_path()
    moment = (int(now.timestamp()) + zlib.crc32(address.encode())) // FACTS_HOLD  # not the same for every page
    digest = _digest(repr((request.user.pk, address, moment, [_fields(fact) for fact in facts])))
    request.facts = digest  # type: ignore[attr-defined]  # for `respond`
    for tag in parse_etags(request.headers.get("If-None-Match", "")):
        if (match := _TAG.fullmatch(tag)) and match[1] == digest:
            return _headed(HttpResponse(status=304), tag)
    return None


def respond(request: HttpRequest, page: str, *, regions: str, context: dict[str, object]) -> HttpResponseBase:
    """The page, or the regions of it that the script does not have; 304 if it has them all."""
    if not wants_fragment(request):
        response = render(request, page, context)
        patch_vary_headers(response, ["X-Requested-With"])  # the browser's Back must find the whole page
        return response
    parts = loader.render_to_string(regions, context, request).split(REGION)
    parts.append(loader.render_to_string("components/stops.html", told(request)))
    digests = [_digest(_lasting(part, request)) for part in parts]
    tag = f'W/"{".".join([getattr(request, "facts", _NO_FACTS), *digests])}"'
    asked = parse_etags(request.headers.get("If-None-Match", ""))
    if "*" in asked or digests in [_digests(one) for one in asked]:
        return _headed(HttpResponse(status=304), tag)
    known = _digests(request.headers.get(KNOWN_REGIONS, ""))
    if len(known) != len(digests):
        known = [""] * len(digests)
    changed = [part for part, digest, old in zip(parts, digests, known, strict=True) if digest != old]
    return _headed(HttpResponse("".join(changed)), tag)


def _headed(response: HttpResponse, tag: str) -> HttpResponse:
    response.headers["ETag"] = tag
    response.headers["Cache-Control"] = "private, no-cache"
    patch_vary_headers(response, ["X-Requested-With", KNOWN_REGIONS])
    return response


def _digests(tag: str) -> list[str]:
    """The digests of the regions in an ETag; none if it is not one of ours."""
    match = _TAG.fullmatch(tag)
    return match[2].split(".")[1:] if match else []


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _lasting(html: str, request: HttpRequest) -> str:
    """A region without its relative times. Its CSRF tokens are replaced by the secret that makes them valid."""
    secret = request.META.get("CSRF_COOKIE", "")
    return _TOKEN.sub(rf"\g<1>{secret}", _RELATIVE.sub(r"\1", html)).strip()


def _fields(fact: object) -> object:
    """The columns of a row, or the fact itself."""
    if isinstance(fact, Model):
        return [(field.attname, getattr(fact, field.attname)) for field in fact._meta.concrete_fields]
    return fact
