"""The error pages: for addresses that do not exist, and for exceptions that no view has handled.

Clients of the APIs get an error in the format of their dialect instead (`DialectErrors`). If the static files were not
collected, no page can be made, and a plain text is sent.
"""

import sys
from collections.abc import Callable

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template import loader
from django.views import defaults

from batches.rules.errors import Unavailable


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """The page for status 404."""
    return _page(lambda: defaults.page_not_found(request, exception), otherwise=404)


def server_error(request: HttpRequest) -> HttpResponse:
    """The page for status 500, or 503 if the database or the file storage did not answer. Neither page uses the database."""
    error = sys.exc_info()[1]
    if isinstance(error, (OperationalError, InterfaceError)):
        missing = "database"
    elif isinstance(error, Unavailable):
        missing = "file storage"
    else:
        return _page(lambda: defaults.server_error(request), otherwise=500)
    page = loader.get_template("503.html").render({"missing": missing})
    return HttpResponse(page, status=503, headers={"Retry-After": str(Unavailable.retry_after)})


def _page(made: Callable[[], HttpResponse], *, otherwise: int) -> HttpResponse:
    try:
        return made()
    except ValueError:  # raised by the storage of static files
        return HttpResponse("There is no page: run `manage.py collectstatic`.", status=otherwise, content_type="text/plain")
