"""The waiting room in front of the sign-in pages: strangers may ask for them as often as they like, and take no core from others.

A process works on a few such requests at a time; the next ones wait for their turn before anything is read from the database.
A sign-in that fails is answered a second after it began, however it failed. More requests than the room holds are turned away
at once.
"""

import threading
import time
from collections.abc import Callable
from functools import cache

from django.conf import settings
from django.db import close_old_connections, connection
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse

PATIENCE_SECONDS = 10.0  # until a request that waits for its turn is turned away


class WaitingRoom:
    """Middleware. It comes before whatever asks the database, for a thread that waits must not keep a connection."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self._room = threading.BoundedSemaphore(settings.SIGN_IN_WAITING)
        self._turns = threading.BoundedSemaphore(settings.SIGN_IN_AT_ONCE)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path_info not in _addresses():
            return self.get_response(request)
        began_at = time.monotonic()
        if not self._room.acquire(blocking=False):
            return _turned_away()
        try:
            if not self._turns.acquire(timeout=PATIENCE_SECONDS):
                return _turned_away()
            try:
                response = self.get_response(request)
            finally:
                self._turns.release()
            if getattr(request, "sign_in_failed", False):
                _give_connection_back()
                time.sleep(max(0.0, began_at + settings.SIGN_IN_PAUSE_SECONDS - time.monotonic()))
            return response
        finally:
            self._room.release()


@cache
def _addresses() -> frozenset[str]:
    """What anybody may ask for and costs something. What asks a provider of identities waits for others, not for a core."""
    return frozenset({reverse("account_login"), reverse("mfa_authenticate")})


def _turned_away() -> HttpResponse:
    words = "Too many people are signing in at this moment. Try again in a few seconds."
    return HttpResponse(words, status=503, content_type="text/plain", headers={"Retry-After": "5", "Cache-Control": "no-store"})


def _give_connection_back() -> None:
    """As the end of a request would, for it is still far off."""
    if not connection.in_atomic_block:
        close_old_connections()
