"""DialectErrors: errors that Django itself answers at the paths of a dialect get the error body of the dialect."""

from collections.abc import Callable, Sequence
from typing import cast

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse, HttpResponseNotFound
from django.http.response import HttpResponseBase
from django.urls import Resolver404, get_resolver, resolve
from rest_framework.response import Response

from batches.dialects.shared.endpoints import ENDPOINTS
from batches.http import errors, mounts
from batches.http.rendering import encode
from batches.http.request_ids import name_request, request_id
from batches.rules.errors import PortalError

SINGLE_CALL = "Single calls are not answered here: put them into a batch. "

PAGES = ("/console/", "/admin/", "/static/")  # pages for people; no client library has a base URL there


class DialectErrors:
    """The outermost middleware: no error page of Django or of another middleware reaches a client library.

    It also puts the request's id into the headers of every answer.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        mount = _mount(request)
        if mount is None or mount.recognises is None:
            response = self.get_response(request)
        elif mount.urlconf and _exists(request.path_info, mount.urlconf):
            request.urlconf = mount.urlconf
            response = self.get_response(request)
        else:
            response = HttpResponseNotFound()
        # A dialect's own view answers an error with a Response of REST framework. Any other error answer comes from Django.
        if response.status_code >= 400 and isinstance(response, HttpResponse) and not isinstance(response, Response):
            _put_in_dialect(request, response, mount)
        name_request(response, request=request)
        return response


def answer_with(error: PortalError, response: HttpResponse) -> HttpResponse:
    """Attach an error to a middleware's answer for people. Clients of a dialect get the error in its format instead."""
    response.portal_error = error  # type: ignore[attr-defined]
    return response


def _mount(request: HttpRequest) -> mounts.Mount | None:
    get_resolver().url_patterns  # noqa: B018 - loading the URLs mounts the dialects, if no path was resolved yet
    return mounts.owner(request.path_info, request.headers)


def _put_in_dialect(request: HttpRequest, response: HttpResponse, mount: mounts.Mount | None) -> None:
    """Replace the body of an error answer, if a dialect owns the path, or if probably a dialect's client asks for it."""
    if response.status_code == 404 and mount and mount.recognises and not _is_ours(request):
        response.status_code = 400
    speakers = _whose(request, mount) if response.status_code == 404 else [mount] if mount else []
    if not speakers:
        return
    error = _unknown_url(request, speakers) if response.status_code == 404 else _error(request, response)
    response.content = encode(speakers[0].render_error(error, request_id(request)))
    response.headers["Content-Type"] = "application/json"
    response.headers["Content-Length"] = str(len(response.content))


def _whose(request: HttpRequest, mount: mounts.Mount | None) -> list[mounts.Mount]:
    """The dialects whose clients may have asked for an unknown path. The answer is in the format of the first one."""
    path = request.path_info
    if mount is None and (path.startswith(PAGES) or "text/html" in request.headers.get("Accept", "")):
        return []  # the client is a browser
    if mount and (mount.recognises or mount.advice):
        return [mount]
    other = mounts.meant(path, exists=_exists)
    found = [each for each in (other, mount) if each]
    return found[::-1] if mount and mounts.may_be_meant(mount, path, exists=_exists) else found


def _error(request: HttpRequest, response: HttpResponse) -> PortalError:
    if error := getattr(response, "portal_error", None):
        return cast(PortalError, error)
    return errors.with_status(response.status_code) if _is_ours(request) else errors.UnknownHost()


def _is_ours(request: HttpRequest) -> bool:
    """Whether the host name of the request is one of the portal's."""
    try:
        request.get_host()
    except DisallowedHost:
        return False
    return True


def _unknown_url(request: HttpRequest, speakers: Sequence[mounts.Mount]) -> PortalError:
    """A 404 with advice: most unknown paths come from a wrong base URL, or from a slash at the end."""
    path = request.path_info
    if speakers[0].advice:
        advice = speakers[0].advice
    elif path.endswith("/") and _exists(path.rstrip("/"), speakers[0].urlconf):
        advice = "Leave out the slash at its end."
    else:
        bases = {who: base for mount in speakers for who, base in mount.bases.items()}
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
