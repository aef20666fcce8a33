"""Django as a WSGI application. `config.asgi` puts the front before it."""

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver
from django.utils.http import parse_header_parameters

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

handler = get_wsgi_application()
# The modules of all views are imported here. Django would import them during the first request, which takes half a second.
get_resolver().url_patterns  # noqa: B018 - reading the attribute imports the modules


def application(environ: dict[str, Any], start_response: "StartResponse") -> Iterable[bytes]:
    """Call Django's application, with a corrected content type: Django fails on some of them outside of its error handling."""
    environ["CONTENT_TYPE"] = readable(environ.get("CONTENT_TYPE", ""))
    return handler(environ, start_response)


def readable(content_type: str) -> str:
    """The content type. Its parameters are left out if they cannot be parsed, or name an unknown encoding."""
    try:
        _, parameters = parse_header_parameters(content_type)
        "".encode(parameters.get("charset", "utf-8"))
    except (LookupError, ValueError):
        return content_type.partition(";")[0]
    return content_type
