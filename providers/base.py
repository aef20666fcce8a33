"""The interface between the engine and an upstream: one call in, one outcome out.

An adapter knows the wire format of one kind of upstream. It turns each answer and each fault of an upstream into a
`Success` or a `Failure`, and raises for none of them; only `asyncio.CancelledError` passes through.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from providers.failures import Kind

# The endpoints that OpenAI's dialect can batch.
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
# The endpoints that Merge's dialect can write to in bulk; the last part of each is the model of the record.
ACCOUNTING_ENDPOINTS = frozenset(
    {
        "/accounting/v1/invoices",
        "/accounting/v1/expenses",
        "/accounting/v1/item-fulfillments",
        "/accounting/v1/sales-orders",
    }
)
# The endpoints that Anthropic's dialect can batch.
ANTHROPIC_ENDPOINTS = frozenset({"/v1/messages"})


class CredentialUnavailable(Exception):
    """A provider's credential, or another secret or file that it needs, cannot be read in this process."""


@dataclass(frozen=True, slots=True)
class Connection:
    """A configured upstream, ready to use. Never log a connection: it holds the credential, and its options hold secrets.

    `options` are the adapter's own settings, with the secrets themselves in the place of references. `secrets` lists these
    secrets. `environment` holds the variables that name proxies and certificates (`providers.transport.way`); it is empty
    if the portal ignores these variables.
    """

    name: str
    base_url: str
    credential: str = field(repr=False)
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    max_response_bytes: int = 32 * 1024**2
    secrets: Sequence[str] = field(default=(), repr=False)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)


class Extras(msgspec.Struct, frozen=True, omit_defaults=True):
    """Headers of a batch's create call that are sent to the upstream with each request. Only Anthropic's dialect has any.

    `betas` are names of beta features. `version` is the version of the API that the bodies were written for.
    `user_profile` names the user on whose behalf the calls are made.
    """

    betas: tuple[str, ...] = ()
    version: str = ""
    user_profile: str = ""


NO_EXTRAS = Extras()


class Call(msgspec.Struct, frozen=True):
    """One API call. `endpoint` is the dialect's path, such as `/v1/chat/completions`; `body` is the JSON to post, unchanged.

    `idempotency_key` is `<object>-<round>-<answered attempts>`. Only the simulator parses the key, to tell objects apart.
    """

    endpoint: str
    body: bytes
    idempotency_key: str
    timeout: float  # seconds
    extras: Extras = NO_EXTRAS  # the extras of the batch


class Usage(msgspec.Struct, frozen=True):
    """The tokens that the upstream reports as used. None means unknown, which is not 0.

    `cached` is part of `input`, and `reasoning` is part of `output`. `total` is the known part of the sum of input and output;
    it is set only if input or output is unknown.
    """

    input: int | None = 0
    output: int | None = 0
    cached: int | None = 0
    reasoning: int | None = 0
    total: int | None = None

    @property
    def tokens(self) -> int | None:
        """All tokens together, as far as they are known; None if no number is known."""
        if self.input is None or self.output is None:
            return self.total if self.total is not None else self.input if self.output is None else self.output
        return self.input + self.output

    @property
    def other(self) -> int | None:
        """The rest of the total that is neither known input nor known output; None if there is no total."""
        if self.total is None:
            return None
        return max(self.total - (self.input or 0) - (self.output or 0), 0)


class Success(msgspec.Struct, frozen=True):
    """A 2xx answer. Its body is one JSON document on one line in UTF-8, otherwise as the upstream sent it.

    `request_id` is the upstream's id of the request, else the idempotency key of the call.
    `exhausted_for` is set if the answer says that a rate limit is used up: the number of seconds until it is not.
    """

    http_status: int
    body: bytes
    request_id: str = ""
    usage: Usage | None = None
    exhausted_for: float | None = None


# Statuses after which the call may still be under way: 408 Request Timeout, 409 Conflict (the call is being carried out) and
# 425 Too Early. The others come from gateways that lost their backend (502, 520), waited for it in vain (504, 524, 598) or
# believe that their client is gone (499).
UNDECIDED = frozenset({408, 409, 425, 499, 502, 504, 520, 524, 598})


class Failure(msgspec.Struct, frozen=True):
    """A call that ended without a success.

    `message` is for people, shortened, without secrets. `code` is the upstream's own code if it gave one, else the code of
    the kind. `body` is the answer as one line of JSON; it is empty if there was no answer. `request_id` and `exhausted_for`
    mean the same as in a `Success`. `retry_after` is in seconds. `in_success`: a 2xx answer reported the failure; then
    `http_status` is the status that the answer names, if it names one. `is_staged`: the request asked a simulator to fail
    like this, so the failure says nothing about the upstream.
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
        """Whether the call is certainly over. If not, the call may still be under way, or may have been carried out."""
        return self.kind.answered and (self.in_success or self.http_status not in UNDECIDED)


Outcome = Success | Failure


@dataclass(frozen=True, slots=True)
class Check:
    """The result of a connection check: whether the upstream can be used, and a message of a sentence or two.

    `usage` is set if the check tried a call, which was paid for.
    """

    ok: bool
    message: str
    usage: Usage | None = None


class Adapter(Protocol):
    """The interface of the code for one kind of upstream. An instance belongs to one event loop; `close` frees connections.

    `problems` describes the settings that the adapter cannot use, by field. If it finds none, `__init__` succeeds; else
    `__init__` may raise ValueError.
    """

    # The endpoints that the adapter serves. An adapter may let a provider replace them by its option `endpoints`, or add to
    # them by its option `further_endpoints`.
    endpoints: frozenset[str]
    simulated: bool  # the adapter makes its answers up, so pages must label them

    def __init__(self, connection: Connection) -> None: ...

    @classmethod
    def problems(cls, *, base_url: str, options: Mapping[str, Any]) -> dict[str, str]: ...

    async def send(self, call: Call) -> Outcome: ...

    async def check(self, *, model: str = "", endpoint: str = "") -> Check:
        """Whether the upstream can be used; with a model, one small call is tried, which is paid for."""
        ...

    async def close(self) -> None: ...
