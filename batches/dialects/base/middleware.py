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
    if mount is None:
        is_page = "text/html" in request.headers.get("Accept", "")
        mount = None if response.status_code != 404 or is_page else mounts.meant(request.path_info, exists=_exists)
    if mount is None:
        return
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
    elif path.endswith("/") and _exists(path.rstrip("/"), mount.urlconf):
        advice = "Leave out the slash at its end."
    else:
        advice = _base_urls(request, mount)
        if any(path.endswith(endpoint.removeprefix("/v1")) for endpoint in ENDPOINTS):
            advice = SINGLE_CALL + advice
    return errors.UnknownUrl(f"There is nothing at {request.method} {path[:200]}. {advice}")


def _base_urls(request: HttpRequest, mount: mounts.Mount) -> str:
    """The base URLs of the clients that ask for such a path, and of those whose errors are answered."""
    other = mounts.meant(request.path_info, exists=_exists)
    bases = {**(other.bases if other else {}), **mount.bases}
    return " ".join(f"{who}: the base URL is {request.build_absolute_uri(base or '/')}." for who, base in bases.items())


def _exists(path: str, urlconf: str | None = None) -> bool:
    try:
        resolve(path, urlconf)
    except Resolver404:
        return False
    return True
