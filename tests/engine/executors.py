"""Executors in threads of their own, and the requests that an upstream got from them."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from batches.engine.executor import execute
from tests.answers import Request
from tests.together import thread
from tests.upstream import Upstream
from tests.waiting import PATIENCE


def named(request: Request) -> str:
    """The custom_id of the object that a request is for."""
    return str(request.json["n"])


def sent(upstream: Upstream) -> Counter[str]:
    """How often each object was sent."""
    return Counter(named(request) for request in upstream.requests)


@contextmanager
def executors(count: int) -> Iterator[None]:
    """Executors in threads of their own; at the end they have become idle and gone."""
    failures: list[BaseException] = []

    def work() -> None:
        try:
            execute.run()
        except BaseException as error:
            failures.append(error)
            raise

    threads = [thread(work) for _ in range(count)]
    for one in threads:
        one.start()
    try:
        yield
    finally:
        for one in threads:
            one.join(PATIENCE)
    assert not failures
    assert not any(one.is_alive() for one in threads)
