"""The page for what no view has dealt with."""

import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template import loader
from django.views import defaults

from batches.errors import Unavailable


def server_error(request: HttpRequest) -> HttpResponse:
    """500, or 503 when the database or the file storage did not answer. Neither page asks the database for anything."""
    error = sys.exc_info()[1]
    if isinstance(error, (OperationalError, InterfaceError)):
        missing = "database"
    elif isinstance(error, Unavailable):
        missing = "file storage"
    else:
        return defaults.server_error(request)
    page = loader.get_template("503.html").render({"missing": missing})
    return HttpResponse(page, status=503, headers={"Retry-After": str(Unavailable.retry_after)})
