"""The kinds of failure: complete, and consistent with what the engine concludes from them."""

import pytest

from providers.failures import Kind, Source, kind_of_status


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_says_who_acts_and_what_happened(kind: Kind) -> None:
    assert isinstance(kind.source, Source)
    assert kind.sentence.endswith(".")


@pytest.mark.parametrize("kind", Kind)
def test_what_the_network_swallowed_is_unanswered_and_worth_another_try(kind: Kind) -> None:
    if kind.source is Source.NETWORK:
        assert kind.retryable
        assert not kind.answered
    if kind.source in {Source.CALLER, Source.POLICY}:
        assert not kind.retryable


def test_every_status_has_a_kind_unless_it_is_a_success() -> None:
    assert [status for status in range(100, 700) if kind_of_status(status) is None] == [*range(200, 300)]
