"""Adapter `simulator`: a built-in upstream that answers any model on every endpoint, deterministically.

The same body always gets the same answer, and the answer says that it is simulated. Options of the provider make the
simulator slow or unreliable. A request can ask for its own outcome by an extra field of its body, on any endpoint:

    "simulate": {"status": 400, "times": 1, "latency_ms": 50}

* `status`: fail with this HTTP status (400 to 599), or `failure`: fail without an answer (see `_Lost`);
* `times`: the number of sends of this object that fail, over all rounds; without it, every send fails;
* `latency_ms`: the time until the answer, a minute at most; `retry_after`: the seconds that the error asks to wait; `code` and
  `message`: those of the error.

Such a failure says nothing about the provider. It is marked as staged, and no limit, breaker or hold counts it.
"""

import asyncio
from collections.abc import Mapping
from hashlib import blake2b
from threading import Lock
from typing import Annotated, Any, Literal

import msgspec

from providers.base import ACCOUNTING_ENDPOINTS, ANTHROPIC_ENDPOINTS, OPENAI_ENDPOINTS, Call, Check, Connection, Failure, Outcome
from providers.budget import SMALL, Budget, Reading
from providers.failures import Kind
from providers.judgement import Secrets, judge
from providers.online.options import named, naming, options_problem, read_options
from providers.online.simulator import answers, refusals
from providers.online.simulator.messages import in_anthropics_words
from providers.transport import Reply

MAX_REMEMBERED = 50_000  # the number of objects whose sends are counted; the oldest are forgotten first
_NO_SECRETS = Secrets("")

_Rate = Annotated[float, msgspec.Meta(ge=0, le=1)]
_Milliseconds = Annotated[float, msgspec.Meta(ge=0, le=3_600_000)]
_AskedMilliseconds = Annotated[float, msgspec.Meta(ge=0, le=60_000)]
_Seconds = Annotated[float, msgspec.Meta(ge=0, le=3600)]
_Lost = Literal["timeout", "connect_error", "connection_lost"]


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The options of a provider that uses the simulator. Rates are parts of the requests, from 0 to 1."""

    latency_ms: _Milliseconds = 0.0
    latency_jitter_ms: _Milliseconds = 0.0  # the longest additional latency; the hash of the body decides how much of it
    failure_rate: _Rate = 0.0  # the part of bodies that always get a 400 or a 500
    rate_limit_rate: _Rate = 0.0  # the part of sends that get a 429; each send of an object is decided anew
    retry_after_seconds: _Seconds = 1.0  # the Retry-After of a 429


class Steering(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The `simulate` field of a request. The docstring of this module explains it."""

    status: Annotated[int, msgspec.Meta(ge=400, le=599)] | None = None
    failure: _Lost | None = None
    times: Annotated[int, msgspec.Meta(ge=1)] | None = None
    latency_ms: _AskedMilliseconds | None = None
    retry_after: _Seconds | None = None
    code: str | None = None
    message: str | None = None


class SimulatorAdapter:
    """An upstream inside the portal. All of its answers are made up."""

    endpoints = OPENAI_ENDPOINTS | ANTHROPIC_ENDPOINTS | ACCOUNTING_ENDPOINTS
    simulated = True

    def __init__(self, connection: Connection) -> None:
        with naming(connection):
            self._options = read_options(connection.options, Options)
        self._max_bytes = connection.max_response_bytes

    @classmethod
    def problems(cls, *, base_url: str, options: Mapping[str, Any]) -> dict[str, str]:
        """The problems of a provider's settings, by field."""
        found = {}
        if base_url:
            found["base_url"] = "The simulator is built in and has no base URL."
        if problem := options_problem(options, Options):
            found["options"] = problem
        return found

    async def send(self, call: Call) -> Outcome:
        """Wait for the simulated latency, and return a made-up outcome."""
        if call.endpoint not in self.endpoints:
            return Failure(Kind.PORTAL, f"The simulator does not serve {call.endpoint}.", code=Kind.PORTAL.value)
        digest = blake2b(call.body, digest_size=16, person=call.endpoint[-16:].encode()).digest()
        try:
            request, steering = _request(call)
        except refusals.Refusal as refusal:
            await asyncio.sleep(0)
            return _outcome(call, refusal.reply(digest))
        latency = self._latency(digest, steering)
        await asyncio.sleep(min(latency, call.timeout))
        if latency >= call.timeout:
            return _lost(Kind.TIMEOUT, is_staged=steering.latency_ms is not None)
        if steering.failure and _still_fails(call, steering):
            return _lost(Kind(steering.failure), is_staged=True)
        if steering.status is not None:
            return await self._as_steered(call, steering, request, digest)
        if refused := self._refusal(call, digest):
            return _outcome(call, refused)
        return await self._success(call, request, digest)

    async def _as_steered(self, call: Call, steering: Steering, request: dict[str, Any], digest: bytes) -> Outcome:
        """The failure that the request asks for; a success once its `times` are used up."""
        assert steering.status is not None
        if not _still_fails(call, steering):
            return await self._success(call, request, digest)
        refused = refusals.refusal(
            steering.status, code=steering.code, message=steering.message, retry_after=steering.retry_after, digest=digest
        )
        outcome = _outcome(call, refused)
        return msgspec.structs.replace(outcome, is_staged=True) if isinstance(outcome, Failure) else outcome

    async def _success(self, call: Call, request: dict[str, Any], digest: bytes) -> Outcome:
        """A made-up success; a failure if it is too large. A long answer waits for room, and is made in a thread."""

        def make() -> Outcome:
            reply = answers.answer(call.endpoint, request, digest=digest)
            return self._too_large() if len(reply.body) > self._max_bytes else _outcome(call, reply)

        size = answers.size_of(call.endpoint, request)
        if size > self._max_bytes:
            return self._too_large()
        budget = Budget.current.get()
        if size <= SMALL or budget is None:
            return make()
        reading = Reading(budget, most=self._max_bytes)
        try:
            await reading.wait_for(size)
            return await asyncio.to_thread(make)
        finally:
            reading.end()

    def _too_large(self) -> Failure:
        message = f"The upstream's answer is larger than {self._max_bytes} bytes."
        return Failure(Kind.RESPONSE_TOO_LARGE, message, code=Kind.RESPONSE_TOO_LARGE.value, http_status=200)

    async def check(self, *, model: str = "", endpoint: str = "") -> Check:  # noqa: ARG002
        """The simulator can always be used."""
        return Check(True, "The simulator is built in and always answers; its answers are made up.")

    async def close(self) -> None:
        """Do nothing: the simulator has no connections."""

    def _latency(self, digest: bytes, steering: Steering) -> float:
        if steering.latency_ms is not None:
            return steering.latency_ms / 1000
        return (self._options.latency_ms + _share(digest[0:4]) * self._options.latency_jitter_ms) / 1000

    def _refusal(self, call: Call, digest: bytes) -> Reply | None:
        """The failure that the provider's rates choose for this call; None if the call succeeds."""
        options = self._options
        if _share(digest[4:8]) < options.failure_rate:
            return refusals.refusal(400 if digest[8] % 2 else 500, digest=digest)
        if options.rate_limit_rate and _share(_rolled(call)) < options.rate_limit_rate:
            return refusals.refusal(429, retry_after=options.retry_after_seconds, digest=digest)
        return None


def _request(call: Call) -> tuple[dict[str, Any], Steering]:
    """The request, and its `simulate` field. Raises refusals.Refusal for a request that any upstream would refuse."""
    try:
        request = msgspec.json.decode(call.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise refusals.Refusal("The body of the request is not valid JSON.") from None
    if not isinstance(request, dict):
        raise refusals.Refusal("The body of the request must be a JSON object.")
    try:
        steering = msgspec.convert(request.get("simulate") or {}, Steering)
    except msgspec.ValidationError as error:
        raise refusals.Refusal(f"simulate: {named(error)}", param="simulate") from None
    refusals.require(call.endpoint, request)
    return request, steering


def _outcome(call: Call, reply: Reply) -> Outcome:
    if call.endpoint in ANTHROPIC_ENDPOINTS:
        reply = in_anthropics_words(reply)
    return judge(reply, call, secrets=_NO_SECRETS)


def _lost(kind: Kind, *, is_staged: bool) -> Failure:
    return Failure(kind, f"Simulated: {kind.sentence}", code=kind.value, is_staged=is_staged)


def _share(digest: bytes) -> float:
    """A number from 0 to 1 (exclusive). The numbers of different digests are spread evenly."""
    return int.from_bytes(digest, "big") / 2.0 ** (8 * len(digest))


def _rolled(call: Call) -> bytes:
    return blake2b(call.body, digest_size=4, key=call.idempotency_key.encode()[-64:]).digest()


class _Sends:
    """Counts the sends of each object in this process. The oldest objects are forgotten first."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._lock = Lock()

    def count(self, key: str) -> int:
        with self._lock:
            self._counts[key] = count = self._counts.pop(key, 0) + 1
            if len(self._counts) > MAX_REMEMBERED:
                del self._counts[next(iter(self._counts))]
        return count


_sends = _Sends()


def _still_fails(call: Call, steering: Steering) -> bool:
    """Count a send, and return whether it still fails. The sends of all rounds of an object count together."""
    if steering.times is None:
        return True
    thing = call.idempotency_key.rsplit("-", 2)[0]
    return _sends.count(thing) <= steering.times
