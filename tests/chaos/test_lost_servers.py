"""PostgreSQL or Redis goes away while a batch runs, and comes back."""

import pytest

from tests.chaos.faults import Servers
from tests.chaos.stage import Stage


@pytest.mark.gate
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
