"""S4: the sign-in pages let a few in at a time, so that others' requests find a thread and a core."""

import threading
from collections.abc import Iterator
from itertools import pairwise

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from pytest_django import Settings

from batches.console.account.waiting_room import WaitingRoom
from batches.http.callers.senders import delay_of
from tests.security.sign_in.people import CODE, LOGIN
from tests.waiting import PATIENCE, until

WAITING = 5


class Desk:
    """What is behind the waiting room: holds each request until it is told to answer."""

    def __init__(self) -> None:
        self.lock, self.open = threading.Lock(), threading.Event()
        self.inside = self.most = 0
        self.served: list[str] = []

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
            self.served.append(request.META["REMOTE_ADDR"])
        assert self.open.wait(PATIENCE)
        with self.lock:
            self.inside -= 1
        return HttpResponse("in")


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def room(settings: Settings, desk: Desk) -> WaitingRoom:
    settings.SIGN_IN_AT_ONCE, settings.SIGN_IN_WAITING = 2, WAITING
    return WaitingRoom(desk)


class Crowd:
    """Requests, each in a thread of its own."""

    def __init__(self, room: WaitingRoom) -> None:
        self.room = room
        self.answers: list[int] = []
        self.threads: list[threading.Thread] = []

    def ask(self, path: str, *, address: str = "192.0.2.1") -> None:
        request = RequestFactory(REMOTE_ADDR=address).post(path)
        thread = threading.Thread(target=lambda: self.answers.append(self.room(request).status_code))
        thread.start()
        self.threads.append(thread)

    def join(self) -> list[int]:
        for thread in self.threads:
            thread.join(PATIENCE)
        return sorted(self.answers)


@pytest.fixture
def crowd(room: WaitingRoom, desk: Desk) -> Iterator[Crowd]:
    crowd = Crowd(room)
    yield crowd
    desk.open.set()
    crowd.join()


def test_a_few_are_worked_on_some_wait_and_the_rest_is_turned_away_at_once(crowd: Crowd, desk: Desk) -> None:
    for number in range(WAITING + 3):
        crowd.ask((LOGIN, CODE)[number % 2])
    until(lambda: crowd.answers == [503, 503, 503])

    desk.open.set()

    assert crowd.join() == [200] * WAITING + [503] * 3
    assert desk.most == 2


def test_other_pages_do_not_wait(crowd: Crowd, room: WaitingRoom, desk: Desk) -> None:
    for _ in range(WAITING):
        crowd.ask(LOGIN)
    until(lambda: desk.inside == 2)
    desk_is_open = HttpResponse("elsewhere")
    room.get_response = lambda _: desk_is_open

    for path in ("/console/overview/", "/api/v1/batches", "/console/login/oidc/callback/", "/healthz"):
        assert room(RequestFactory().get(path)) is desk_is_open


def failing(request: HttpRequest) -> HttpResponse:
    request.sign_in_failed = True  # type: ignore[attr-defined]
    return HttpResponse()


def held_back(room: WaitingRoom) -> float:
    """For how many seconds the answer to another request is."""
    request = RequestFactory().post(LOGIN)
    room(request)
    return delay_of(request.META)


def test_the_answer_to_a_failure_is_held_back_the_longer_the_more_fail(settings: Settings) -> None:
    settings.SIGN_IN_PAUSE_SECONDS = 60.0
    room = WaitingRoom(failing)
    pauses = [held_back(room) for _ in range(80)]

    assert pauses[0] == pytest.approx(60, abs=1)
    assert pauses[-1] == pytest.approx(480, abs=1)
    assert all(later > earlier - 1 for earlier, later in pairwise(pauses))


def test_no_success_is_held_back() -> None:
    assert held_back(WaitingRoom(lambda _: HttpResponse())) == 0


def test_whatever_goes_wrong_behind_it_nobody_keeps_a_place(settings: Settings) -> None:
    settings.SIGN_IN_AT_ONCE = settings.SIGN_IN_WAITING = 1

    def broken(_: HttpRequest) -> HttpResponse:
        raise RuntimeError

    room = WaitingRoom(broken)
    for _ in range(3):
        with pytest.raises(RuntimeError):
            room(RequestFactory().post(LOGIN))


# --- Who gives up a place --------------------------------------------------------------------------------------


def test_one_address_never_fills_the_room(crowd: Crowd, desk: Desk) -> None:
    for _ in range(WAITING + 1):
        crowd.ask(LOGIN, address="198.51.100.1")
    until(lambda: len(crowd.answers) == 1)

    crowd.ask(LOGIN, address="203.0.113.5")
    until(lambda: len(crowd.answers) == 2)
    assert crowd.answers == [503, 503]
    desk.open.set()

    assert crowd.join() == [200] * WAITING + [503] * 2
    assert "203.0.113.5" in desk.served
