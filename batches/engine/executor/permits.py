"""Gates: the permits that an executor has until its next turn, for one project's requests to a provider or a model."""

import math
import time
from dataclasses import dataclass

from django.conf import settings

from batches.engine.limits.asks import Caps, Permit, Want, Why
from batches.engine.limits.hold import STRIKES, AccountHeld, Seen
from batches.rules.lines.tokens import tokens_of
from providers.base import Usage
from providers.failures import Kind


def estimate(body: bytes) -> int:
    """An estimate of the tokens that a request uses, input and output together."""
    return tokens_of(body).total


@dataclass(frozen=True, slots=True)
class Barrier:
    """Why a gate lets nothing through, and until when on the event loop's clock."""

    until: float
    reason: str
    why: Why


@dataclass(slots=True)
class Pass:
    """The permit that one request was sent under: its gate, the time cell of the grant, and the estimated tokens."""

    gate: "PermitGate"
    cell: int
    tokens: int

    def correct(self, usage: Usage) -> None:
        """Replace the estimated tokens by the real ones, if the answer tells them."""
        if usage.tokens is not None:
            self.gate.give_back(self.cell, 0, self.tokens - usage.tokens)


class PermitGate:
    """The limiter grants permits in short-lived blocks. Unused permits go back when a block ends or is replaced."""

    def __init__(self, caps: Caps) -> None:
        self.share = math.inf  # how many requests may be in flight
        self.in_flight = 0
        self.barrier: Barrier | None = None
        self.held: AccountHeld | None = None
        self.worked_at = -math.inf  # when the last successful call was sent, by this host's clock
        self._seen = Seen()  # the answers since the last ask
        self._is_struck = False  # there was a strike, and no success since
        self.is_struck_out = False  # after STRIKES of them nothing passes until the limiter has answered
        self._held_until = 0.0  # the end of a wait that the upstream asked for
        self._reported_until = 0.0  # the end that the limiter has been told
        self._requests = self._tokens = math.inf
        self._ends = math.inf
        self._cell = 0
        self._returned: dict[int, list[int]] = {}
        self._usual = 0  # the average tokens of a request
        self._missed = 0  # the tokens of a request that did not pass
        self.set_caps(caps)

    def set_caps(self, caps: Caps) -> None:
        """Take over the limits that an operator has set."""
        self.caps = caps
        if caps.windowed and self._ends == math.inf:
            self._requests = self._tokens = self._ends = 0
        if caps.concurrency is None:
            self.share = math.inf
        elif self.share == math.inf:
            self.share = 0  # until the limiter grants some

    @property
    def is_open(self) -> bool:
        """Whether nothing limits the requests through this gate."""
        unlimited = self._ends == math.inf and self.share == math.inf and not self._is_struck
        return unlimited and self.barrier is None and time.monotonic() >= self._held_until

    def note_success(self, sent_at: float) -> None:
        """Note a success of a call that was sent at this time."""
        self._seen.worked, self._seen.strikes = True, 0
        self._is_struck = self.is_struck_out = False
        if sent_at > self.worked_at:
            self.worked_at = sent_at

    def note_answer(self) -> None:
        """Note an answer that is neither a success nor a strike."""
        self._seen.answered = True

    def note_fault(self) -> None:
        """Note a fault: a request was lost, or the upstream does not work."""
        self._seen.faulted = True

    def note_strike(self, kind: Kind) -> None:
        """Note a strike. After STRIKES of them in a row nothing passes until the limiter has answered."""
        self._seen.strikes, self._seen.kind = self._seen.strikes + 1, kind.value
        self._is_struck = True
        self.is_struck_out |= self._seen.strikes >= STRIKES

    def admits(self, body: bytes, *, now: float) -> bool:
        """Whether a request may be sent now."""
        if (
            self.is_struck_out
            or now < self._held_until
            or self.in_flight >= self.share
            or now >= self._ends
            or self._requests < 1
        ):
            return False
        if self.caps.tokens is None:
            return True
        self._missed = tokens = min(estimate(body), self.caps.tokens)
        return self._tokens >= tokens

    def let_through(self) -> Pass | None:
        """Use a permit for the request that was just admitted. Its estimated tokens are corrected once it is answered."""
        self._requests -= 1
        if self.caps.tokens is None:
            return None
        tokens, self._missed = self._missed, 0
        self._usual = tokens if not self._usual else (7 * self._usual + tokens) // 8
        self._tokens -= tokens
        return Pass(self, self._cell, tokens)

    def left(self, *, now: float) -> float:
        """How many more requests may pass at most."""
        is_shut = self.is_struck_out or now < self._held_until or now >= self._ends
        return 0 if is_shut else max(self._requests, 0)

    def give_back(self, cell: int, requests: int, tokens: int) -> None:
        """Return unused permits of the grant in this time cell."""
        sums = self._returned.setdefault(cell, [0, 0])
        sums[0] += requests
        sums[1] += tokens

    def want(self, caps: Caps, *, wanted: int, in_flight: int, could_send: int, now: float) -> Want:
        """The part of a bid for this gate. Reports and returned permits move into it, and leave the gate."""
        if now >= self._ends:
            self._retire()
        requests = could_send if self.caps.windowed else 0
        held_for = max(self._held_until - now, 0.0) if self._held_until > self._reported_until else 0.0
        self._reported_until = self._held_until
        returned = tuple((cell, requests, tokens) for cell, (requests, tokens) in self._returned.items())
        self._returned = {}
        seen, self._seen = self._seen, Seen()
        if seen.worked:
            seen.worked_ago = max(time.time() - self.worked_at, 0.0)
        return Want(
            caps,
            in_flight=in_flight,
            wanted=wanted,
            requests=requests,
            tokens=max(requests * self._usual, self._missed),
            least_tokens=max(self._missed, self._usual),
            returned=returned,
            held_for=held_for,
            seen=seen,
        )

    def report_again(self, want: Want) -> None:
        """Repeat the reports and returned permits of a want that the limiter did not hear in the next one."""
        for cell, requests, tokens in want.returned:
            self.give_back(cell, requests, tokens)
        if want.held_for:
            self._reported_until = 0.0
        self._seen = self._seen.after(want.seen)
        self.is_struck_out |= self._seen.strikes >= STRIKES

    def grant(self, permit: Permit, *, asked_at: float, valid: float) -> None:
        """Take over the limiter's answer to the ask of `asked_at`. Its permits last for `valid` seconds from then."""
        self.barrier = None if permit.why is None else Barrier(asked_at + permit.shut_for, permit.reason, permit.why)
        self.held = permit.held
        self.is_struck_out = self._seen.strikes >= STRIKES  # only strikes since the ask count
        if self.share != math.inf:
            self.share = permit.share or 0
        if permit.requests is None and permit.tokens is None:
            self._requests = self._tokens = self._ends = math.inf
        elif permit.requests != 0 or permit.why is not None:
            self._retire()
            self._requests = math.inf if permit.requests is None else permit.requests
            self._tokens = math.inf if permit.tokens is None else permit.tokens
            self._ends, self._cell = asked_at + valid, permit.cell

    def hold(self, seconds: float) -> None:
        """Shut the gate for as long as the upstream asks. The upstream may be wrong, so the longest wait is the limit."""
        self._held_until = max(self._held_until, time.monotonic() + min(seconds, settings.LONGEST_WAIT_SECONDS))

    def _retire(self) -> None:
        """Give the unused permits of the block back."""
        if self._ends == math.inf:
            return
        left = [0 if number == math.inf else max(int(number), 0) for number in (self._requests, self._tokens)]
        if any(left):
            self.give_back(self._cell, *left)
        self._requests = self._tokens = 0
