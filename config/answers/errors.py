"""The pages for what is not there, and for whatever no view has dealt with.

Clients of the APIs are answered in their own words instead (`DialectErrors`), also where no page can be made, because the
static files that pages refer to were not collected.
"""

import sys
from collections.abc import Callable

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template import loader
from django.views import defaults

from batches.rules.errors import Unavailable


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404."""
    return _page(lambda: defaults.page_not_found(request, exception), otherwise=404)


def server_error(request: HttpRequest) -> HttpResponse:
    """500, or 503 when the database or the file storage did not answer. Neither page asks the database for anything."""
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
    except ValueError:  # of the storage of static files
        return HttpResponse("There is no page: run `manage.py collectstatic`.", status=otherwise, content_type="text/plain")
