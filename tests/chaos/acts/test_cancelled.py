"""A batch is cancelled while executors are at work on it."""

import time

import pytest

from tests.benchmarks.inputs import custom_id
from tests.chaos.stage import Stage

HEARD_WITHIN = 2.0  # the seconds within which an executor learns of the cancellation


@pytest.mark.servers
def test_a_cancelled_batch_is_not_sent_any_further_and_what_was_in_flight_settles(grown_up: Stage) -> None:
    run = grown_up.begin(4000)
    grown_up.wait_until_answered(run, 0.2)

    grown_up.cancel(run)
    heard_by = time.monotonic() + HEARD_WITHIN
    batch = grown_up.wait_until_ended(run)

    assert batch["status"] == "cancelled"
    assert [request for request in grown_up.upstream.requests if request.at > heard_by] == []
    output, error = (grown_up.file_lines(batch[name]) for name in ("output_file_id", "error_file_id"))
    answered = {line["custom_id"] for line in output + error if line["response"]}
    assert answered == {name for name, _ in grown_up.sent()}
    assert len(answered) < run.lines
    assert sorted(line["custom_id"] for line in output + error) == [custom_id(number) for number in range(run.lines)]
    grown_up.assert_counts_are_true(run)
