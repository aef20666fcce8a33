"""The interface between the engine and an upstream: one call in, one outcome out.

An adapter knows the wire of one kind of upstream. It turns whatever happens into a `Success` or a `Failure` and never
raises for anything an upstream can do; only `asyncio.CancelledError` passes through.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from providers.failures import Kind

# What can be batched in OpenAI's dialect.
OPENAI_ENDPOINTS = frozenset(
    {
        "/v1/responses",
        "/v1/chat/completions",
        "/v1/embeddings",
        "/v1/completions",
        "/v1/moderations",
        "/v1/images/generations",
        "/v1/images/edits",
        "/v1/videos",
    }
)
# What can be written in bulk in Merge's dialect; the last word is the model.
ACCOUNTING_ENDPOINTS = frozenset(
    {
        "/accounting/v1/invoices",
        "/accounting/v1/expenses",
        "/accounting/v1/item-fulfillments",
        "/accounting/v1/sales-orders",
    }
)
# What can be batched in Anthropic's.
ANTHROPIC_ENDPOINTS = frozenset({"/v1/messages"})


class CredentialUnavailable(Exception):
    """A provider's credential, or another secret or file that it needs, cannot be read in this process."""


@dataclass(frozen=True, slots=True)
class Connection:
    """A configured upstream, ready to use. Never logged: it holds the credential and, in its options, other secrets.

    `options` are the adapter's own settings, with `secrets` in the place of references. `environment` holds the variables
    that say how to get out (`providers.transport.way`), as far as they are to be heeded.
    """

    name: str
    base_url: str
    credential: str = field(repr=False)
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    max_response_bytes: int = 32 * 1024**2
    secrets: Sequence[str] = field(default=(), repr=False)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)


class Extras(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a batch asks of its upstream beside the bodies, where a dialect has headers for that: Anthropic's.

    `betas` are names of beta features, `version` is the version of the API that the bodies were written for, and
    `user_profile` names on whose behalf the calls are made.
    """

    betas: tuple[str, ...] = ()
    version: str = ""
    user_profile: str = ""


NO_EXTRAS = Extras()


class Call(msgspec.Struct, frozen=True):
    """One API call. `endpoint` is the dialect's path, such as `/v1/chat/completions`; `body` is the JSON to post, unchanged.

    `idempotency_key` is `<object>-<round>-<answered attempts>`: only the simulator reads it, to tell objects apart.
    """

    endpoint: str
    body: bytes
    idempotency_key: str
    timeout: float  # seconds
    extras: Extras = NO_EXTRAS  # those of its batch


class Usage(msgspec.Struct, frozen=True):
    """Tokens that the upstream says were used; None is unknown, which is not nothing.

    `cached` is part of `input`, `reasoning` part of `output`. `total` is set only where input and output are not both
    known: what is known of their sum.
    """

    input: int | None = 0
    output: int | None = 0
    cached: int | None = 0
    reasoning: int | None = 0
    total: int | None = None

    @property
    def tokens(self) -> int | None:
        """All tokens together, as far as they are known; None when nothing is."""
        if self.input is None or self.output is None:
            return self.total if self.total is not None else self.input if self.output is None else self.output
        return self.input + self.output

    @property
    def other(self) -> int | None:
        """Tokens of which only the sum is known: neither part of the input nor of the output."""
        if self.total is None:
            return None
        return max(self.total - (self.input or 0) - (self.output or 0), 0)


class Success(msgspec.Struct, frozen=True):
    """A 2xx answer whose body is one JSON document on one line, UTF-8, otherwise as the upstream sent it.

    `request_id` is the upstream's id of the request, else the idempotency key that the call was sent under.
    `exhausted_for` is set when it says that nothing is left of a rate limit: for so many seconds.
    """

    http_status: int
    body: bytes
    request_id: str = ""
    usage: Usage | None = None
    exhausted_for: float | None = None


# Request Timeout, Conflict (the call is being carried out), Too Early, and what a gateway says that lost its backend, waited
# for it in vain (520 and 524 are Cloudflare's, 598 is a proxy's) or takes its client for gone.
UNDECIDED = frozenset({408, 409, 425, 499, 502, 504, 520, 524, 598})


class Failure(msgspec.Struct, frozen=True):
    """Anything else.

    `message` is for people, shortened, without secrets. `code` is the upstream's own code where it gave one, else the
    kind's. `body` is the answer as one line of JSON, or empty when there was none. `request_id` is as that of a success
    when there was an answer. `retry_after` is in seconds; `exhausted_for` is as that of a success. `in_success` tells that
    a 2xx answer reported the failure; then `http_status` is the status that it names, if it names one. `is_staged`: the
    request itself asked a simulator to fail so, which says nothing about the upstream.
    """

    kind: Kind
    message: str
    code: str = ""
    param: str = ""
    http_status: int | None = None
    body: bytes = b""
    request_id: str = ""
    retry_after: float | None = None
    exhausted_for: float | None = None
    in_success: bool = False
    is_staged: bool = False

    @property
    def is_final(self) -> bool:
        """Whether this is all that will come of the call: else it may be under way still, or may have been carried out."""
        return self.kind.answered and (self.in_success or self.http_status not in UNDECIDED)


Outcome = Success | Failure


@dataclass(frozen=True, slots=True)
class Check:
    """What a connection check found: whether the upstream can be used, and a sentence or two about it.

    `usage` is set when a call was tried, and paid for.
    """

    ok: bool
    message: str
    usage: Usage | None = None


class Adapter(Protocol):
    """What every kind of upstream implements. An instance belongs to one event loop; `close` frees its connections.

    Settings in which `problems` finds nothing can be connected with; others may raise ValueError on connecting.
    """

    # What it serves. An adapter that can serve others takes them as its option `endpoints`, and more of them as its option
    # `further_endpoints`.
    endpoints: frozenset[str]
    simulated: bool  # answers are made up: to be labelled wherever they show

    def __init__(self, connection: Connection) -> None: ...

    @classmethod
    def problems(cls, *, base_url: str, options: Mapping[str, Any]) -> dict[str, str]: ...

    async def send(self, call: Call) -> Outcome: ...

    async def check(self, *, model: str = "", endpoint: str = "") -> Check:
        """Whether the upstream can be used; with a model, one small call is tried, which is paid for."""
        ...

    async def close(self) -> None: ...
