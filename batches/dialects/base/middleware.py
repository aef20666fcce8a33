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
        if mount and mount.urlconf:
            request.urlconf = mount.urlconf
        response = HttpResponseNotFound() if mount and mount.told_by and not mount.urlconf else self.get_response(request)
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
    if mount is None:
        is_page = "text/html" in request.headers.get("Accept", "")
        found = [] if response.status_code != 404 or is_page else mounts.meant(request.path_info, exists=_exists)
        if not found:
            return
        mount = found[0]
    response.content = encode(mount.render_error(_error(request, response, mount), request_id(request)))
    response.headers["Content-Type"] = "application/json"
    response.headers["Content-Length"] = str(len(response.content))


def _error(request: HttpRequest, response: HttpResponse, mount: mounts.Mount) -> PortalError:
    if response.status_code == 404:
        return _unknown_url(request, mount)
    try:
        request.get_host()
    except DisallowedHost:
        return errors.UnknownHost()
    return errors.with_status(response.status_code)


def _unknown_url(request: HttpRequest, mount: mounts.Mount) -> PortalError:
    """A 404 that helps: most come from a wrong base URL, or from a slash too many."""
    path = request.path_info
    if mount.advice:
        advice = mount.advice
    elif path.endswith("/") and _exists(path.rstrip("/")):
        advice = "Leave out the slash at its end."
    else:
        bases = mounts.meant(path, exists=_exists) or [mount]
        advice = " ".join(f"The base URL of {each.clients} is {request.build_absolute_uri(each.base or '/')}." for each in bases)
        if any(path.endswith(endpoint.removeprefix("/v1")) for endpoint in ENDPOINTS):
            advice = SINGLE_CALL + advice
    return errors.UnknownUrl(f"There is nothing at {request.method} {path[:200]}. {advice}")


def _exists(path: str) -> bool:
    try:
        resolve(path)
    except Resolver404:
        return False
    return True
