"""The lifecycle's words and rules: nothing is left out, and no edge leads out of the end."""

import pytest

from batches.rules.states import (
    COUNTED,
    MOVES,
    NEVER_RAN,
    OPEN,
    SETTLED,
    STAMPS,
    TERMINAL,
    BatchStatus,
    ObjectStatus,
)
from providers.failures import Kind


@pytest.mark.parametrize("status", BatchStatus)
def test_every_status_has_a_sentence_a_stamp_and_its_moves(status: BatchStatus) -> None:
    assert status.sentence.endswith(".")
    assert STAMPS[status].endswith("_at")
    assert status in MOVES


def test_every_status_has_a_stamp_of_its_own() -> None:
    assert len(set(STAMPS.values())) == len(BatchStatus)


def test_no_edge_leads_out_of_a_terminal_status_and_some_edge_out_of_every_other() -> None:
    assert {status for status in BatchStatus if not MOVES[status]} == TERMINAL
    assert set(BatchStatus) - TERMINAL == OPEN


def test_every_status_can_be_reached_and_every_batch_can_end() -> None:
    def reachable(start: BatchStatus) -> set[BatchStatus]:
        found, ahead = {start}, [start]
        while ahead:
            for status in MOVES[ahead.pop()] - found:
                found.add(status)
                ahead.append(status)
        return found

    assert reachable(BatchStatus.VALIDATING) == set(BatchStatus)
    assert all(reachable(status) & TERMINAL for status in BatchStatus)


def test_no_edge_leads_back() -> None:
    for status in BatchStatus:
        assert all(status not in MOVES[target] for target in MOVES[status])


def test_the_counts_show_in_every_status_but_validating() -> None:
    assert set(BatchStatus) - COUNTED == {BatchStatus.VALIDATING}


def test_what_never_ran_has_a_code_and_a_sentence() -> None:
    assert set(NEVER_RAN) == SETTLED - {ObjectStatus.SUCCEEDED, ObjectStatus.FAILED}
    assert {code for code, _ in NEVER_RAN.values()} == {"batch_cancelled", "batch_expired"}
    assert all(sentence.endswith(".") for _, sentence in NEVER_RAN.values())


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_of_failure_has_a_source_and_a_sentence(kind: Kind) -> None:
    assert kind.sentence.endswith(".")
    assert kind.source.value
    assert isinstance(kind.retryable, bool)
    assert isinstance(kind.answered, bool)
