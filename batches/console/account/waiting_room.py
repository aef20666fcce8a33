"""The waiting room in front of the sign-in pages. Without it, strangers who try passwords could take all cores.

A process runs only a few requests for these pages at once. A few others wait for their turn before they use the database.
Every other turn goes to the address with the fewest recent visits; the other turns go in the order of arrival. If the room is
full, the address with the most visits is turned away.

The answer to a failed sign-in is delayed by a second, and by more while many fail. The answer to a request that is turned
away is delayed in the same way. The web server waits meanwhile, without a thread.
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
from batches.http.callers.senders import answer_late

PATIENCE_SECONDS = 10.0  # a request that waits longer for its turn is turned away
LATELY_SECONDS = 60.0  # the counts of visits are halved after each such interval
CROWD = 8  # so many delayed answers double the delay of the next one
LONGEST = 8.0  # the longest delay, as a multiple of SIGN_IN_PAUSE_SECONDS


class WaitingRoom:
    """Middleware. It comes before all use of the database, since a waiting thread must not hold a connection."""

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
            took = time.monotonic() - began_at  # the time of the answer must not tell the reason of the failure
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
        self._turns = turns  # the number of free turns
        self._inside = 0
        self._rarest_first = True  # whether the next turn goes to the address with the fewest visits
        self._waiting: list[Visitor] = []
        self._pauses: list[float] = []  # the end of each delay
        self._visits: Counter[str] = Counter()  # recent visits by address
        self._halved_at = time.monotonic()

    def enter(self, address: str) -> Visitor | None:
        """Take a place, if necessary the place of another visitor. None if there is no place."""
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
        """Wait for the turn of a visitor. False if the visitor lost its place or waited too long."""
        visitor.called.wait(PATIENCE_SECONDS)
        with self._lock:
            if visitor in self._waiting:
                self._waiting.remove(visitor)
            return visitor.has_turn

    def end_turn(self) -> None:
        """End a turn, and give it to the next visitor."""
        with self._lock:
            self._turns += 1
            if self._waiting:
                self._give_turn(self._next())

    def pause(self) -> float:
        """The seconds by which to delay an answer. The more answers are delayed at present, the longer the delay."""
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
        """Take the place of the most frequent visitor, whose thread then leaves. False if no visitor comes more often."""
        most_frequent = max(self._waiting, key=lambda waiting: self._visits[waiting.address], default=None)
        if most_frequent is None or self._visits[most_frequent.address] <= self._visits[address]:
            return False
        self._waiting.remove(most_frequent)
        most_frequent.called.set()
        return True


@cache
def _addresses() -> frozenset[str]:
    """The pages that check a password or a code, which costs the portal CPU and strangers nothing. OIDC pages cost no CPU."""
    return frozenset({reverse("account_login"), reverse("mfa_authenticate")})
