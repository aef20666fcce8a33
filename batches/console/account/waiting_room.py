"""The waiting room in front of the sign-in pages: it keeps strangers who try passwords from taking the cores of everybody else.

A process works on few requests for these pages at a time. The others wait for their turn before they use the database. Every
other turn goes to the address with the fewest visits lately, and the rest go in the order of arrival. The answer to a failed
sign-in is held back for a second, and for longer while many fail.

The room has a fixed number of places. A waiting request takes one, and so does an answer that is held back. When the room is
full, the oldest of these answers is given at once; if there is none, the waiting address with the most visits is turned
away.

A web server that can delay an answer without a thread offers that in the request (`ANSWER_LATER`). Then a held-back answer
takes no place, and an answer that turns a request away is delayed as well.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import cache

from django.conf import settings
from django.db import close_old_connections, connection
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse

from batches.console.account.address import client_network

ANSWER_LATER = "batchyard.answer_later"  # in the request's META: called with seconds, before the answer is returned
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
                self._room.end_turn(visitor)
            if getattr(request, "sign_in_failed", False):
                self._hold_back(request, visitor, until=began_at + self._room.pause())
            return response
        finally:
            self._room.leave()

    def _hold_back(self, request: HttpRequest, visitor: "Visitor", *, until: float) -> None:
        if answer_later := request.META.get(ANSWER_LATER):
            answer_later(until - time.monotonic())
            return
        if not connection.in_atomic_block:
            close_old_connections()  # as the end of the request would, which is still far off
        self._room.hold_back(visitor, until=until)

    def _turn_away(self, request: HttpRequest) -> HttpResponse:
        if answer_later := request.META.get(ANSWER_LATER):
            answer_later(self._room.pause())
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
        self._held_back: list[Visitor] = []
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

    def end_turn(self, visitor: Visitor) -> None:
        """Let the next one have its turn."""
        visitor.has_turn = False
        visitor.called.clear()
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

    def hold_back(self, visitor: Visitor, *, until: float) -> None:
        """Sleep until a moment, or until the place is needed."""
        with self._lock:
            self._held_back.append(visitor)
        visitor.called.wait(max(0.0, until - time.monotonic()))
        with self._lock:
            if visitor in self._held_back:
                self._held_back.remove(visitor)

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
        if self._held_back:
            self._held_back.pop(0).called.set()
            return True
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
