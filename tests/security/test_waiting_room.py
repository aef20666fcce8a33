"""S4: the sign-in pages let a few in at a time, so that others' requests find a thread and a core."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from pytest_django import Settings

from batches.console.account.waiting_room import ANSWER_LATER, WaitingRoom
from tests.security.people import CODE, LOGIN

pytestmark = pytest.mark.django_db

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
        assert self.open.wait(10)
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
            thread.join(10)
        return sorted(self.answers)


@pytest.fixture
def crowd(room: WaitingRoom, desk: Desk) -> Iterator[Crowd]:
    crowd = Crowd(room)
    yield crowd
    desk.open.set()
    crowd.join()


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.001)


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


def test_a_failure_is_answered_late_and_no_success_is(settings: Settings) -> None:
    settings.SIGN_IN_PAUSE_SECONDS = 0.2

    def failing(request: HttpRequest) -> HttpResponse:
        request.sign_in_failed = True  # type: ignore[attr-defined]
        return HttpResponse()

    took = []
    for answer in (failing, lambda _: HttpResponse()):
        began = time.monotonic()
        WaitingRoom(answer)(RequestFactory().post(LOGIN))
        took.append(time.monotonic() - began)

    assert took[0] >= 0.2
    assert took[1] < 0.1


def test_a_server_that_can_wait_without_a_thread_is_told_to(settings: Settings) -> None:
    settings.SIGN_IN_PAUSE_SECONDS = 60.0
    waits: list[float] = []

    def failing(request: HttpRequest) -> HttpResponse:
        request.sign_in_failed = True  # type: ignore[attr-defined]
        return HttpResponse()

    room = WaitingRoom(failing)
    for _ in range(80):
        request = RequestFactory().post(LOGIN)
        request.META[ANSWER_LATER] = waits.append
        assert room(request).status_code == 200

    assert 59 < waits[0] <= 60
    assert 479 < waits[-1] <= 480
    assert room._room._inside == 0


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


def test_an_answer_that_is_held_back_makes_room(settings: Settings) -> None:
    settings.SIGN_IN_AT_ONCE = settings.SIGN_IN_WAITING = 1
    settings.SIGN_IN_PAUSE_SECONDS = 60.0

    def failing(request: HttpRequest) -> HttpResponse:
        request.sign_in_failed = request.method == "POST"  # type: ignore[attr-defined]
        return HttpResponse()

    room = WaitingRoom(failing)
    held_back = threading.Thread(target=room, args=(RequestFactory().post(LOGIN),))
    held_back.start()
    until(lambda: bool(room._room._held_back))

    assert room(RequestFactory().get(LOGIN)).status_code == 200
    held_back.join(10)
    assert not held_back.is_alive()
