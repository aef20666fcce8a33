"""DialectErrors: what Django itself answers under a dialect's mount has the dialect's error body."""

from collections.abc import Callable

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse, HttpResponseNotFound
from django.http.response import HttpResponseBase
from django.urls import Resolver404, get_resolver, resolve
from rest_framework.response import Response

from batches.dialects.base import errors, mounts
from batches.dialects.base.endpoints import ENDPOINTS
from batches.dialects.base.rendering import encode
from batches.dialects.base.request_ids import name_request, request_id
from batches.errors import PortalError

SINGLE_CALL = "Single calls are not answered here: put them into a batch. "


class DialectErrors:
    """The outermost middleware, so that no error page of Django or of another middleware reaches a client library.

    Puts the request's id on every answer, too.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        mount = _mount(request)
        if mount is None or mount.told_by is None:
            response = self.get_response(request)
        elif mount.urlconf and _exists(request.path_info, mount.urlconf):
            request.urlconf = mount.urlconf
            response = self.get_response(request)
        else:
            response = HttpResponseNotFound()
        # A dialect's own view answers errors with a Response of REST framework; whatever else comes is Django's.
        if response.status_code >= 400 and isinstance(response, HttpResponse) and not isinstance(response, Response):
            _put_in_dialect(request, response, mount)
        name_request(response, request=request)
        return response


def _mount(request: HttpRequest) -> mounts.Mount | None:
    get_resolver().url_patterns  # noqa: B018 - mounts the dialects: no path is resolved as yet
    return mounts.owner(request.path_info, request.headers)


def _put_in_dialect(request: HttpRequest, response: HttpResponse, mount: mounts.Mount | None) -> None:
    """Replace the body of an error's answer, if a dialect answers for the path, or its client asks for it."""
    speaker = (_whose(request, mount) if response.status_code == 404 else None) or mount
    if speaker is None:
        return
    error = _error(request, response, speaker, mount or speaker)
    response.content = encode(speaker.render_error(error, request_id(request)))
    response.headers["Content-Type"] = "application/json"
    response.headers["Content-Length"] = str(len(response.content))


def _whose(request: HttpRequest, mount: mounts.Mount | None) -> mounts.Mount | None:
    """The dialect whose client asks for what is not there, if that is not known already."""
    if mount is None and "text/html" in request.headers.get("Accept", ""):
        return None  # a browser
    if mount and (mount.told_by or mount.advice):
        return None
    return mounts.meant(request.path_info, exists=_exists)


def _error(request: HttpRequest, response: HttpResponse, *mounted: mounts.Mount) -> PortalError:
    if response.status_code == 404:
        return _unknown_url(request, *mounted)
    try:
        request.get_host()
    except DisallowedHost:
        return errors.UnknownHost()
    return errors.with_status(response.status_code)


def _unknown_url(request: HttpRequest, *mounted: mounts.Mount) -> PortalError:
    """A 404 that helps: most come from a wrong base URL, or from a slash too many.

    `mounted` are the dialect whose client seems to ask, and the one that answers for the path.
    """
    path = request.path_info
    owner = mounted[-1]
    if owner.advice:
        advice = owner.advice
    elif path.endswith("/") and _exists(path.rstrip("/"), owner.urlconf):
        advice = "Leave out the slash at its end."
    else:
        bases = {who: base for mount in mounted for who, base in mount.bases.items()}
        advice = " ".join(f"{who}: the base URL is {request.build_absolute_uri(base or '/')}." for who, base in bases.items())
        if any(path.endswith(endpoint.removeprefix("/v1")) for endpoint in ENDPOINTS):
            advice = SINGLE_CALL + advice
    return errors.UnknownUrl(f"There is nothing at {request.method} {path[:200]}. {advice}")


def _exists(path: str, urlconf: str | None = None) -> bool:
    try:
        resolve(path, urlconf)
    except Resolver404:
        return False
    return True
