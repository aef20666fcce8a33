"""Processes of the portal are killed, or told to stop, while a batch runs."""

import contextlib
import random
import signal
import socket
import time
from collections.abc import Iterator

import pytest

from tests.chaos.client import FORM, LATENCY, UNFLUSHED_SECONDS, form
from tests.chaos.faults import kill
from tests.chaos.stage import Stage


@pytest.mark.gate
@pytest.mark.servers
def test_killed_executors_lose_nothing_and_only_what_was_not_on_record_is_sent_again(grown_up: Stage) -> None:
    run = grown_up.begin(4000)
    lost: set[str] = set()
    for share in (random.uniform(0.1, 0.3), random.uniform(0.4, 0.6)):
        grown_up.wait_until_answered(run, share)
        victim = random.choice(grown_up.wait_until(lambda: grown_up.executors(run), what="an executor held a slice"))
        killed_at = time.monotonic()
        kill([victim.pid])
        unrecorded = grown_up.unrecorded(run, victim)
        assert (unrecorded - lost).isdisjoint(grown_up.sent_before(killed_at - LATENCY - UNFLUSHED_SECONDS))
        lost |= unrecorded

    grown_up.assert_complete(run)

    grown_up.assert_counts_are_true(run)
    assert grown_up.repeated() <= lost


@pytest.mark.servers
def test_killed_workers_and_a_killed_beat_start_again_and_finish_the_batch(grown_up: Stage) -> None:
    run = grown_up.begin(2000)
    grown_up.wait_until_answered(run, 0.3)
    leaders = [grown_up.leader(words) for words in ("--queues execute", "--queues control", "beat")]

    kill(leaders)

    grown_up.assert_complete(run)
    grown_up.assert_counts_are_true(run)


@pytest.mark.servers
def test_an_upload_that_dies_with_the_web_server_leaves_no_file(grown_up: Stage) -> None:
    known = grown_up.ask("/v1/files")
    kept = set((grown_up.portal.folder / "files").rglob("*"))
    web = grown_up.leader("config.web")

    with _half_an_upload(grown_up):
        kill([web])
        grown_up.wait_until(lambda: grown_up.successor("config.web", of=web), what="there was another web server")
        grown_up.portal.wait_until_ready()

    assert grown_up.ask("/v1/files") == known
    assert set((grown_up.portal.folder / "files").rglob("*")) == kept
    grown_up.assert_complete(grown_up.begin(20))


@pytest.mark.servers
def test_a_portal_that_is_told_to_stop_brings_its_work_home_and_goes_on_when_it_starts_again(grown_up: Stage) -> None:
    run = grown_up.begin(3000)
    grown_up.wait_until_answered(run, 0.3)
    busy = {executor.id for executor in grown_up.executors(run)}

    assert grown_up.portal.stop(signal.SIGTERM) == 0

    assert grown_up.portal.pids() == []
    assert grown_up.rows("SELECT count(*) FROM batches_slice WHERE lease_owner IS NOT NULL") == [(0,)]
    assert busy.isdisjoint(worker for (worker,) in grown_up.rows("SELECT id FROM batches_worker"))
    grown_up.portal.start()
    grown_up.assert_complete(run)
    assert grown_up.repeated() == set()


@contextlib.contextmanager
def _half_an_upload(stage: Stage) -> Iterator[None]:
    """An upload whose beginning the server has received and spooled, while the rest is missing."""
    content = form(b"{}\n" * 2**22)
    head = (
        f"POST /v1/files HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {stage.key}\r\nContent-Length: {len(content)}\r\n"
        f"Content-Type: {FORM}\r\n\r\n"
    ).encode()
    incoming = stage.portal.folder / "incoming"
    before = set(incoming.iterdir())
    with socket.create_connection(("127.0.0.1", int(stage.portal.environment["PORT"]))) as connection:
        connection.sendall(head + content[: len(content) // 2])
        stage.wait_until(
            lambda: any(path.stat().st_size for path in set(incoming.iterdir()) - before), what="an upload had begun"
        )
        yield
