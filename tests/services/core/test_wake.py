"""A message that cannot be sent is no error of whoever wanted to send it."""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest
import redis
from celery import current_app
from django.conf import settings

from batches.services.core import wake


class Silence:
    """A server that accepts connections and never answers. It counts them."""

    def __init__(self) -> None:
        self.connections: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                self.connections.append(self._listener.accept()[0])

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        for connection in [self._listener, *self.connections]:
            connection.close()


@pytest.mark.servers
@pytest.mark.django_db(transaction=True)
def test_a_broker_that_takes_no_messages_is_left_to_reconcile() -> None:
    broker = redis.Redis.from_url(settings.REDIS_URL)
    broker.config_set("maxmemory", 1)
    try:
        wake.execute()
    finally:
        broker.config_set("maxmemory", 0)


@pytest.fixture
def silence() -> Iterator[Silence]:
    """A broker that accepts and does not answer."""
    silence = Silence()
    yield silence
    silence.close()


def test_a_broker_that_never_answers_is_asked_once_and_then_left_alone(silence: Silence, monkeypatch: pytest.MonkeyPatch) -> None:
    """E5: each write request waited for 30 s."""
    monkeypatch.setattr(current_app.conf, "broker_write_url", f"redis://127.0.0.1:{silence.port}/0")
    announcer = wake.Announcer()

    for _ in range(3):
        announcer.send("batches.engine.execute", [])

    assert len(silence.connections) == 1


def test_threads_that_all_wait_for_a_broker_give_up_together(silence: Silence, monkeypatch: pytest.MonkeyPatch) -> None:
    """E5, with more threads than there are connections to the broker."""
    monkeypatch.setattr(current_app.conf, "broker_write_url", f"redis://127.0.0.1:{silence.port}/0")
    announcer = wake.Announcer()
    threads = [threading.Thread(target=announcer.send, args=("batches.engine.execute", [])) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 1 <= len(silence.connections) <= 10


def test_a_broker_that_is_back_is_told_again(
    silence: Silence, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(wake, "SILENT_SECONDS", 0.0)
    announcer = wake.Announcer()
    with monkeypatch.context() as away:
        away.setattr(current_app.conf, "broker_write_url", f"redis://127.0.0.1:{silence.port}/0")
        announcer.send("batches.engine.execute", [])
    assert "was not announced" in caplog.text
    caplog.clear()

    announcer.send("batches.engine.execute", [])

    assert "was not announced" not in caplog.text
