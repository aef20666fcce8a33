"""Many clients that ask a portal at once, each on a connection of its own, again and again; with when and how it answered."""

import contextlib
import http.client
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

PATIENCE = 60.0  # seconds that a client waits for an answer


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: when it was asked for and came, on the monotonic clock; its status, 0 where no answer came at all."""

    asked_at: float
    came_at: float
    status: int
    retry_after: str | None = None

    @property
    def seconds(self) -> float:
        return self.came_at - self.asked_at


@dataclass(slots=True)
class Crowd:
    """The clients, and every answer that they got so far."""

    url: str
    key: str
    paths: Sequence[str]
    answers: list[Answer] = field(default_factory=list)
    _left: threading.Event = field(default_factory=threading.Event)

    def since(self, moment: float) -> list[Answer]:
        """The answers to what was asked after a moment."""
        return [answer for answer in list(self.answers) if answer.asked_at >= moment]

    def first_success(self, *, since: float) -> Answer | None:
        """The answer of 200 that came first after a moment, whenever it was asked for."""
        good = [answer for answer in list(self.answers) if answer.came_at >= since and answer.status == 200]
        return min(good, key=lambda answer: answer.came_at, default=None)

    def _ask_on(self, number: int) -> None:
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=PATIENCE)
        headers = {"Authorization": f"Bearer {self.key}"}
        turn = number
        with contextlib.closing(connection):
            while not self._left.is_set():
                asked_at = time.monotonic()
                try:
                    connection.request("GET", self.paths[turn % len(self.paths)], headers=headers)
                    response = connection.getresponse()
                    response.read()
                    status, retry_after = response.status, response.getheader("Retry-After")
                except (OSError, http.client.HTTPException):
                    connection.close()
                    status, retry_after = 0, None
                self.answers.append(Answer(asked_at, time.monotonic(), status, retry_after))
                turn += 1
                if status != 200:
                    self._left.wait(0.02)  # a client that hammers takes the processor from the server it waits for


@contextlib.contextmanager
def crowd(url: str, key: str, *, clients: int, paths: Sequence[str]) -> Iterator[Crowd]:
    """So many clients ask for these paths in turn, until the block ends."""
    asking = Crowd(url, key, paths)
    threads = [threading.Thread(target=asking._ask_on, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield asking
    finally:
        asking._left.set()
        for thread in threads:
            thread.join()
