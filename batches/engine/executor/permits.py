"""Gates: what an executor may send for a project to a provider, or to a model, until its next turn at the desk."""

import math
import time
from dataclasses import dataclass

from django.conf import settings

from batches.engine.limits.asks import Caps, Permit, Want, Why
from batches.engine.limits.hold import STRIKES, AccountHeld, Seen
from batches.rules.tokens import tokens_of
from providers.base import Usage
from providers.failures import Kind


def estimate(body: bytes) -> int:
    """How many tokens a request may use, in and out."""
    return tokens_of(body).total


@dataclass(frozen=True, slots=True)
class Stay:
    """Nothing passes: until when, on the event loop's clock, and why."""

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
        """The answer says how many tokens it really were, if it does."""
        if usage.tokens is not None:
            self.gate.give_back(self.cell, 0, self.tokens - usage.tokens)


class PermitGate:
    """The limiter grants permits in short-lived blocks. Unused permits go back when a block ends or is replaced."""

    def __init__(self, caps: Caps) -> None:
        self.share = math.inf  # requests that may be in flight
        self.in_flight = 0
        self.stay: Stay | None = None
        self.held: AccountHeld | None = None
        self.worked_at = -math.inf  # when the last call was sent that succeeded, by this host's clock
        self._seen = Seen()  # since it was last told
        self._is_struck = False  # a strike came and no success since
        self.is_struck_out = False  # so many came that nothing passes until the desk was asked
        self._held_until = 0.0  # by the upstream's own word
        self._told_of = 0.0  # so much of which the desk knows
        self._requests = self._tokens = math.inf
        self._ends = math.inf
        self._cell = 0
        self._returned: dict[int, list[int]] = {}
        self._usual = 0  # tokens of a request
        self._missed = 0  # tokens of one that did not pass
        self.heed(caps)

    def heed(self, caps: Caps) -> None:
        """What the operator has set, from now on."""
        self.caps = caps
        if caps.windowed and self._ends == math.inf:
            self._requests = self._tokens = self._ends = 0
        if caps.concurrency is None:
            self.share = math.inf
        elif self.share == math.inf:
            self.share = 0  # until it is granted some

    @property
    def is_open(self) -> bool:
        """Nothing limits what passes."""
        unlimited = self._ends == math.inf and self.share == math.inf and not self._is_struck
        return unlimited and self.stay is None and time.monotonic() >= self._held_until

    def note_success(self, sent_at: float) -> None:
        """A success came back through it, of a call that was sent then."""
        self._seen.worked, self._seen.strikes = True, 0
        self._is_struck = self.is_struck_out = False
        if sent_at > self.worked_at:
            self.worked_at = sent_at

    def note_answer(self) -> None:
        """An answer came that is neither a success nor a strike."""
        self._seen.answered = True

    def note_fault(self) -> None:
        """A request came to nothing, or the upstream does not work."""
        self._seen.faulted = True

    def note_strike(self, kind: Kind) -> None:
        """Every other request would be answered so, too. After a few in a row nothing passes until the desk was asked."""
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
        """Use a permit for the request that was just admitted. What is returned is to be corrected once it is answered."""
        self._requests -= 1
        if self.caps.tokens is None:
            return None
        tokens, self._missed = self._missed, 0
        self._usual = tokens if not self._usual else (7 * self._usual + tokens) // 8
        self._tokens -= tokens
        return Pass(self, self._cell, tokens)

    def left(self, *, now: float) -> float:
        """How many requests may pass at most."""
        is_shut = self.is_struck_out or now < self._held_until or now >= self._ends
        return 0 if is_shut else max(self._requests, 0)

    def give_back(self, cell: int, requests: int, tokens: int) -> None:
        """These were granted then, and not used."""
        sums = self._returned.setdefault(cell, [0, 0])
        sums[0] += requests
        sums[1] += tokens

    def want(self, caps: Caps, *, wanted: int, in_flight: int, could_send: int, now: float) -> Want:
        """What to ask for, within these limits; what there is to tell and to give back is taken out on the way."""
        if now >= self._ends:
            self._retire()
        requests = could_send if self.caps.windowed else 0
        held_for = max(self._held_until - now, 0.0) if self._held_until > self._told_of else 0.0
        self._told_of = self._held_until
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

    def tell_again(self, want: Want) -> None:
        """The limiter did not get this demand: the next one repeats what it told and gave back."""
        for cell, requests, tokens in want.returned:
            self.give_back(cell, requests, tokens)
        if want.held_for:
            self._told_of = 0.0
        self._seen = self._seen.after(want.seen)
        self.is_struck_out |= self._seen.strikes >= STRIKES

    def grant(self, permit: Permit, *, asked_at: float, valid: float) -> None:
        """What the desk brought; it was asked for then, and lasts so long after."""
        self.stay = None if permit.why is None else Stay(asked_at + permit.shut_for, permit.reason, permit.why)
        self.held = permit.held
        self.is_struck_out = self._seen.strikes >= STRIKES  # those since it was asked
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
        """The upstream says that nothing is left for so long. It may be wrong: after the longest wait it is tried again."""
        self._held_until = max(self._held_until, time.monotonic() + min(seconds, settings.LONGEST_WAIT_SECONDS))

    def _retire(self) -> None:
        """What is left of the block is given back."""
        if self._ends == math.inf:
            return
        left = [0 if number == math.inf else max(int(number), 0) for number in (self._requests, self._tokens)]
        if any(left):
            self.give_back(self._cell, *left)
        self._requests = self._tokens = 0
