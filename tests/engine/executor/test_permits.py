"""What one executor lets through between two turns, and what it gives back."""

from time import monotonic

import pytest

from batches.engine.executor.permits import PermitGate, estimate
from batches.engine.limits.asks import Caps, Permit, Want, Why
from providers.base import Usage

BODY = b"x" * 400  # 100 tokens, and no JSON
VALID = 0.5


def block(requests: int | None, tokens: int | None = None, *, cell: int = 7, shut_for: float = 0.0, reason: str = "") -> Permit:
    return Permit(None, requests, tokens, cell, shut_for, reason, Why.LIMIT if reason else None)


def gate(caps: Caps, permit: Permit, *, now: float = 100.0) -> PermitGate:
    found = PermitGate(caps)
    found.grant(permit, asked_at=now, valid=VALID)
    return found


def passed(through: PermitGate, *, now: float = 100.0, most: int = 100) -> int:
    """How many requests pass, one after the other."""
    count = 0
    while count < most and through.admits(BODY, now=now):
        through.let_through()
        count += 1
    return count


def asked(of: PermitGate, *, now: float = 100.0, could_send: int = 10) -> Want:
    return of.want(of.caps, wanted=10, in_flight=0, could_send=could_send, now=now)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", 0),
        (b"x" * 400, 100),
        (b"[1]", 1),
        (b'{"max_tokens": 50}', 5 + 50),
        (b'{"max_completion_tokens": 50, "max_tokens": 9}', 12 + 50),
        (b'{"max_output_tokens": 50}', 7 + 50),
        (b'{"max_tokens": null}', 5),
        (b'{"max_tokens": "many"}', 6),
        (b'{"max_tokens": -99}', 5),
        (b"[" * 100_000, 25_000),
    ],
)
def test_tokens_are_estimated_by_size_and_by_what_is_allowed(body: bytes, expected: int) -> None:
    assert estimate(body) == expected


def test_nothing_passes_a_limited_gate_before_it_was_granted_something() -> None:
    assert passed(PermitGate(Caps(requests=5))) == 0
    assert passed(PermitGate(Caps(concurrency=5))) == 0


def test_a_gate_without_limits_is_open() -> None:
    free = PermitGate(Caps())
    assert free.is_open
    assert passed(free) == 100


def test_as_many_pass_as_were_granted_and_no_longer_than_that_lasts() -> None:
    assert passed(gate(Caps(requests=60), block(3))) == 3
    assert passed(gate(Caps(requests=60), block(3)), now=100.0 + VALID) == 0


def test_what_is_left_is_given_back_once_it_has_ended() -> None:
    limited = gate(Caps(requests=60), block(3))
    passed(limited, most=1)
    assert asked(limited).returned == ()
    assert asked(limited, now=101.0).returned == ((7, 2, 0),)
    assert asked(limited, now=102.0).returned == ()


def test_what_is_left_is_given_back_when_the_next_comes() -> None:
    limited = gate(Caps(requests=60), block(3))
    limited.grant(block(2, cell=9), asked_at=100.2, valid=VALID)
    assert passed(limited, now=100.3) == 2
    assert asked(limited, now=100.3).returned == ((7, 3, 0),)


def test_nothing_asked_for_and_nothing_granted_leaves_the_block() -> None:
    limited = gate(Caps(requests=60), block(3))
    limited.grant(block(0), asked_at=100.2, valid=VALID)
    assert passed(limited, now=100.3) == 3


def test_what_shuts_a_gate_shuts_it_at_once() -> None:
    limited = gate(Caps(requests=60), block(3))
    limited.grant(block(0, shut_for=2.0, reason="it is used up"), asked_at=100.2, valid=VALID)
    assert passed(limited, now=100.3) == 0
    assert limited.barrier is not None
    assert (limited.barrier.until, limited.barrier.reason) == (102.2, "it is used up")


def test_tokens_limit_what_passes_and_are_corrected_by_what_was_used() -> None:
    limited = gate(Caps(tokens=1000), block(None, 250))
    passes = []
    while limited.admits(BODY, now=100.0):
        passes.append(limited.let_through())
    assert len(passes) == 2
    for number, one in enumerate(passes):
        assert one is not None
        one.correct(Usage(input=10, output=150 * number))
    want = asked(limited)
    assert want.returned == ((7, 0, 90 - 60),)
    assert want.least_tokens == 100, "or the next would not pass"


def test_a_request_beyond_the_whole_limit_passes_with_the_whole_limit() -> None:
    assert passed(gate(Caps(tokens=50), block(None, 50))) == 1


def test_a_hold_stops_everything_and_is_told_once() -> None:
    limited = gate(Caps(), block(None))
    limited.hold(5.0)
    assert not limited.is_open
    assert passed(limited, now=monotonic()) == 0
    assert asked(limited, now=monotonic()).held_for == pytest.approx(5.0, abs=1.0)
    assert asked(limited, now=monotonic()).held_for == 0.0
    assert passed(limited, now=monotonic() + 6) == 100


def test_a_new_limit_shuts_an_open_gate_and_a_removed_one_opens_it_with_the_next_grant() -> None:
    changing = PermitGate(Caps())
    changing.set_caps(Caps(requests=5))
    assert passed(changing) == 0
    changing.set_caps(Caps())
    changing.grant(block(None), asked_at=100.0, valid=VALID)
    assert changing.is_open
