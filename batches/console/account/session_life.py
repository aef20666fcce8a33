"""The life of a session: at most SESSION_SECONDS from signing in, and at most SESSION_IDLE_SECONDS without use.

The session holds both times. allauth's row about the session (device, address, last use) is shown to its person.
"""

import time
from collections.abc import Callable

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth import logout
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone

from batches.console.account.address import client_address
from batches.console.kit.live import wants_fragment
from batches.services.people import sessions

BEGAN, SEEN = "began_at", "seen_at"
SEEN_IS_NOTED_EVERY = 60.0  # seconds


class EndSessions:
    """Middleware: end an outlived session before any view sees it. Note the use of a session at most once a minute."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if settings.SESSION_COOKIE_NAME in request.COOKIES and isinstance(request.user, User):
            _look_at(request, request.user)
        return self.get_response(request)


def begin(session: SessionBase) -> None:
    """Set the times of a session that begins now."""
    session[BEGAN] = session[SEEN] = time.time()


def why_over(session: SessionBase, *, now: float) -> str:
    """The reason why a session is over; empty if it is not over."""
    if now - session[BEGAN] > settings.SESSION_SECONDS:
        return "too old"
    if now - session[SEEN] > settings.SESSION_IDLE_SECONDS:
        return "idle"
    return ""


def _look_at(request: HttpRequest, person: User) -> None:
    session, now = request.session, time.time()
    if BEGAN not in session:
        begin(session)
        UserSession.objects.create_from_request(request)
    elif why := why_over(session, now=now):
        sessions.end_session(session.session_key or "", of=person, address=client_address(request), why=why, now=timezone.now())
        logout(request)
    elif now - session[SEEN] > SEEN_IS_NOTED_EVERY and not wants_fragment(request):  # polling does not count as use
        session[SEEN] = now
        UserSession.objects.create_from_request(request)
