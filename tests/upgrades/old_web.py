"""The web part of an earlier release: its WSGI application, started as a script in that release's folder.

The web server that an earlier release used may not be installed here, so the one of the standard library serves it.
"""

import os
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from django.core.wsgi import get_wsgi_application


class Threaded(ThreadingMixIn, WSGIServer):
    """A server with a thread for each request."""

    daemon_threads = True


class Silent(WSGIRequestHandler):
    """A request that is not logged."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    application = get_wsgi_application()
    make_server("127.0.0.1", int(os.environ["PORT"]), application, Threaded, Silent).serve_forever()
