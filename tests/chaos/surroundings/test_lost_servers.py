"""PostgreSQL or Redis goes away while a batch runs, and comes back."""

import time
from collections import Counter

import pytest

from tests.chaos.faults import Servers, frozen
from tests.chaos.stage import Stage
from tests.crowd import crowd

CLIENTS = 40
PATHS = ("/v1/batches?limit=5", "/api/v1/batches?limit=5", "/v1/files?limit=5")
REQUESTS = 1000  # the number of requests after a server is back; none may fail
NO_MINUTES = 20.0  # seconds: a bound that a busy machine keeps, and that a portal which waits for itself does not


@pytest.mark.servers
def test_a_redis_that_comes_back_empty_costs_nothing(grown_up: Stage, servers: Servers) -> None:
    run = grown_up.begin(3000)
    grown_up.wait_until_answered(run, 0.3)

    servers.kill_redis(away=1)

    grown_up.assert_complete(run)
    grown_up.assert_counts_are_true(run)
    assert grown_up.repeated() == set()
    grown_up.assert_complete(grown_up.begin(20))


@pytest.mark.gate
@pytest.mark.servers
def test_a_postgresql_that_starts_again_loses_and_repeats_nothing_on_record(grown_up: Stage, servers: Servers) -> None:
    run = grown_up.begin(3000)
    grown_up.wait_until_answered(run, 0.3)

    servers.restart_postgresql(away=1)

    grown_up.assert_complete(run)
    grown_up.assert_counts_are_true(run)
    grown_up.assert_complete(grown_up.begin(20))


@pytest.mark.servers
@pytest.mark.parametrize("lost", ["PostgreSQL", "Redis", "both"])
def test_forty_clients_are_answered_at_once_when_a_server_is_back(grown_up: Stage, servers: Servers, lost: str) -> None:
    """E17: after a restart under load, requests waited half a minute for connections, one after the other, for minutes."""
    run = grown_up.begin(1500)
    grown_up.wait_until_answered(run, 0.1)
    with crowd(grown_up.portal.url, grown_up.key, clients=CLIENTS, paths=PATHS) as clients:
        grown_up.wait_until(lambda: len(clients.answers) > 4 * CLIENTS, what="every client had been answered")
        went_at = time.monotonic()
        if lost != "Redis":
            servers.restart_postgresql(away=0.2)
            gone_again_at = time.monotonic() + 2.0
            grown_up.wait_until(lambda: time.monotonic() > gone_again_at, what="clients had asked again")
            servers.restart_postgresql(away=1.0)
        if lost != "PostgreSQL":
            servers.kill_redis(away=1.0)
        back_at = time.monotonic()
        grown_up.wait_until(lambda: len(clients.since(back_at)) >= REQUESTS, what="clients were answered again")

    after = clients.since(back_at)
    assert [answer for answer in after if answer.status != 200] == []
    assert max(answer.seconds for answer in after) < NO_MINUTES
    refused = [answer for answer in clients.since(went_at) if answer.status != 200]
    assert {(answer.status, answer.retry_after) for answer in refused} <= {(503, "1")}
    grown_up.assert_complete(run)
    grown_up.assert_counts_are_true(run)


@pytest.mark.servers
def test_a_redis_that_accepts_and_never_answers_delays_no_client_and_repeats_nothing(grown_up: Stage, servers: Servers) -> None:
    """E5: each write request waited 30 s for it."""
    run = grown_up.begin(1500)
    grown_up.wait_until_answered(run, 0.2)

    with frozen(servers.redis_pid()):
        began = time.monotonic()
        meanwhile = [grown_up.submit(20) for _ in range(10)]
        took = time.monotonic() - began
        grown_up.wait_until_answered(run, 0.9)

    assert took < NO_MINUTES
    for batch in (run, *meanwhile):
        grown_up.assert_one_outcome_each(batch)
    assert max(Counter(grown_up.sent()).values()) == 1
