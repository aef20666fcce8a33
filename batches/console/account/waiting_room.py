"""The waiting room in front of the sign-in pages: it keeps strangers who try passwords from taking the cores of everybody else.

A process works on few requests for these pages at a time, and a few others wait for their turn before they use the database.
Every other turn goes to the address with the fewest visits lately, and the rest go in the order of arrival. When the room is
full, the address with the most visits is turned away.

The answer to a failed sign-in is held back for a second, and for longer while many fail. So is the answer to a request that is
turned away. The web server waits meanwhile, without a thread.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import cache

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse

from batches.console.account.address import client_network
from batches.http.senders import answer_late

PATIENCE_SECONDS = 10.0  # until a request that waits for its turn is turned away
LATELY_SECONDS = 60.0  # after which half of the visits are forgotten
CROWD = 8  # so many held-back answers double the time for the next one
LONGEST = 8.0  # times SIGN_IN_PAUSE_SECONDS


class WaitingRoom:
    """Middleware. It comes before all use of the database: a waiting thread must not hold a connection."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self._room = Room(places=settings.SIGN_IN_WAITING, turns=settings.SIGN_IN_AT_ONCE)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path_info not in _addresses():
            return self.get_response(request)
        visitor = self._room.enter(client_network(request))
        if visitor is None:
            return self._turn_away(request)
        try:
            if not self._room.wait_for_turn(visitor):
                return self._turn_away(request)
            began_at = time.monotonic()
            try:
                response = self.get_response(request)
            finally:
                self._room.end_turn()
        finally:
            self._room.leave()
        if getattr(request, "sign_in_failed", False):
            took = time.monotonic() - began_at  # the time of the answer must not tell why it failed
            answer_late(request.META, seconds=max(0.0, self._room.pause() - took))
        return response

    def _turn_away(self, request: HttpRequest) -> HttpResponse:
        answer_late(request.META, seconds=self._room.pause())
        words = "Too many people are signing in at this moment. Try again in a few seconds."
        headers = {"Retry-After": "5", "Cache-Control": "no-store"}
        return HttpResponse(words, status=503, content_type="text/plain", headers=headers)


class Visitor:
    """A request in the room: its address, and the event that its thread waits for."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.called = threading.Event()
        self.has_turn = False


class Room:
    """The visitors in the room. Each thread sleeps until it is called."""

    def __init__(self, *, places: int, turns: int) -> None:
        self._lock = threading.Lock()
        self._places = places
        self._turns = turns  # that are free
        self._inside = 0
        self._rarest_first = True  # the next turn
        self._waiting: list[Visitor] = []
        self._pauses: list[float] = []  # when each that was given ends
        self._visits: Counter[str] = Counter()  # by address, lately
        self._halved_at = time.monotonic()

    def enter(self, address: str) -> Visitor | None:
        """Take a place, if need be that of another visitor. None when there is no place."""
        with self._lock:
            self._count_visit(address)
            if self._inside >= self._places and not self._make_room(address):
                return None
            visitor = Visitor(address)
            self._inside += 1
            if self._turns:
                self._give_turn(visitor)
            else:
                self._waiting.append(visitor)
            return visitor

    def wait_for_turn(self, visitor: Visitor) -> bool:
        """Wait. True when the turn has come; False when the visitor lost its place or waited too long."""
        visitor.called.wait(PATIENCE_SECONDS)
        with self._lock:
            if visitor in self._waiting:
                self._waiting.remove(visitor)
            return visitor.has_turn

    def end_turn(self) -> None:
        """Let the next one have its turn."""
        with self._lock:
            self._turns += 1
            if self._waiting:
                self._give_turn(self._next())

    def pause(self) -> float:
        """The seconds for which to hold an answer back: the more answers are held back, the longer."""
        now = time.monotonic()
        with self._lock:
            self._pauses = [ends for ends in self._pauses if ends > now]
            seconds: float = settings.SIGN_IN_PAUSE_SECONDS * min(1 + len(self._pauses) / CROWD, LONGEST)
            self._pauses.append(now + seconds)
        return seconds

    def leave(self) -> None:
        """Give a place back."""
        with self._lock:
            self._inside -= 1

    def _count_visit(self, address: str) -> None:
        if time.monotonic() - self._halved_at > LATELY_SECONDS:
            self._halved_at = time.monotonic()
            self._visits = Counter({known: visits // 2 for known, visits in self._visits.items() if visits > 1})
        self._visits[address] += 1

    def _next(self) -> Visitor:
        rank = (lambda waiting: self._visits[waiting.address]) if self._rarest_first else (lambda _: 0)
        self._rarest_first = not self._rarest_first
        following = min(self._waiting, key=rank)
        self._waiting.remove(following)
        return following

    def _give_turn(self, visitor: Visitor) -> None:
        self._turns -= 1
        visitor.has_turn = True
        visitor.called.set()

    def _make_room(self, address: str) -> bool:
        """Call a visitor out; its thread then leaves. Whether there was one to call."""
        most_frequent = max(self._waiting, key=lambda waiting: self._visits[waiting.address], default=None)
        if most_frequent is None or self._visits[most_frequent.address] <= self._visits[address]:
            return False
        self._waiting.remove(most_frequent)
        most_frequent.called.set()
        return True


@cache
def _addresses() -> frozenset[str]:
    """The pages that cost strangers nothing and the portal a core. The OIDC pages wait for the provider instead."""
    return frozenset({reverse("account_login"), reverse("mfa_authenticate")})
