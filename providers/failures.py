"""The kinds of failures of one call to an upstream, as data.

Each kind has a source (who has to act), one sentence for people, whether another try can help, and whether the upstream
*answered*. An unanswered call may have been carried out, so its repeat keeps its idempotency key.
"""

from dataclasses import dataclass
from enum import Enum


class Source(Enum):
    """Who has to act on a failure."""

    CALLER = "caller"
    POLICY = "policy"
    PROVIDER = "provider"
    NETWORK = "network"
    PORTAL = "portal"


@dataclass(frozen=True, slots=True)
class _Traits:
    source: Source
    retryable: bool
    answered: bool
    sentence: str


class Kind(Enum):
    """A kind of failure. The value is the code that is stored and shown."""

    INVALID_REQUEST = "invalid_request"
    NOT_FOUND = "not_found"
    AUTHENTICATION = "authentication"
    PERMISSION = "permission"
    QUOTA = "quota_exhausted"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    SERVER_ERROR = "server_error"
    REDIRECTED = "redirected"
    INVALID_RESPONSE = "invalid_response"
    UNCONFIRMED = "unconfirmed"
    RESPONSE_TOO_LARGE = "response_too_large"
    TIMEOUT = "timeout"
    CONNECT = "connect_error"
    CONNECTION_LOST = "connection_lost"
    PORTAL = "portal_error"

    @classmethod
    def known(cls, value: str) -> "Kind | None":
        """The kind of a stored failure; None for an unknown value, which a row of another release may have."""
        return next((kind for kind in cls if kind.value == value), None)

    @property
    def source(self) -> Source:
        return _TRAITS[self].source

    @property
    def retryable(self) -> bool:
        return _TRAITS[self].retryable

    @property
    def answered(self) -> bool:
        return _TRAITS[self].answered

    @property
    def is_of_account(self) -> bool:
        """Whether the provider's account or credential causes the failure, so that every other request would fail too."""
        return self in _OF_ACCOUNT

    @property
    def sentence(self) -> str:
        return _TRAITS[self].sentence


_TRAITS = {
    Kind.INVALID_REQUEST: _Traits(Source.CALLER, False, True, "The upstream refused the request as invalid."),
    Kind.NOT_FOUND: _Traits(Source.CALLER, False, True, "The upstream does not know the model or the path."),
    Kind.AUTHENTICATION: _Traits(Source.POLICY, False, True, "The upstream refused the provider's credential."),
    Kind.PERMISSION: _Traits(Source.POLICY, False, True, "The provider's credential may not do this."),
    Kind.QUOTA: _Traits(Source.POLICY, False, True, "The account at the upstream has used up its quota or credit."),
    Kind.RATE_LIMITED: _Traits(Source.PROVIDER, True, True, "The upstream asked to slow down."),
    Kind.OVERLOADED: _Traits(Source.PROVIDER, True, True, "The upstream was overloaded or unavailable."),
    Kind.SERVER_ERROR: _Traits(Source.PROVIDER, True, True, "The upstream failed while it handled the request."),
    Kind.REDIRECTED: _Traits(Source.POLICY, False, True, "The upstream answered with a redirect; the base URL is likely wrong."),
    Kind.INVALID_RESPONSE: _Traits(Source.PROVIDER, True, True, "The upstream's answer could not be understood."),
    Kind.UNCONFIRMED: _Traits(
        Source.PROVIDER, False, True, "The upstream took the request, but its answer could not be understood."
    ),
    Kind.RESPONSE_TOO_LARGE: _Traits(Source.PROVIDER, False, True, "The upstream's answer was larger than the portal accepts."),
    Kind.TIMEOUT: _Traits(Source.NETWORK, True, False, "The upstream did not answer in time."),
    Kind.CONNECT: _Traits(Source.NETWORK, True, False, "No connection to the upstream could be made."),
    Kind.CONNECTION_LOST: _Traits(Source.NETWORK, True, False, "The connection ended before the answer was complete."),
    Kind.PORTAL: _Traits(Source.PORTAL, False, False, "The portal could not send the request."),
}

_OF_ACCOUNT = frozenset({Kind.AUTHENTICATION, Kind.QUOTA})


def kind_of_status(status: int) -> Kind | None:
    """The kind of failure that an HTTP status means; None for a success (2xx)."""
    if 200 <= status < 300:
        return None
    if kind := _BY_STATUS.get(status):
        return kind
    if 300 <= status < 400:
        return Kind.REDIRECTED
    if 400 <= status < 500:
        return Kind.INVALID_REQUEST
    if 500 <= status < 600:
        return Kind.SERVER_ERROR
    return Kind.INVALID_RESPONSE


_BY_STATUS = {
    401: Kind.AUTHENTICATION,
    402: Kind.QUOTA,
    403: Kind.PERMISSION,
    404: Kind.NOT_FOUND,
    408: Kind.OVERLOADED,
    409: Kind.OVERLOADED,
    420: Kind.RATE_LIMITED,  # "Enhance your calm"
    424: Kind.SERVER_ERROR,  # something that the upstream depends on failed
    425: Kind.OVERLOADED,
    429: Kind.RATE_LIMITED,
    498: Kind.SERVER_ERROR,  # Groq: no capacity for the flex tier
    499: Kind.SERVER_ERROR,  # a gateway believes that its client is gone
    501: Kind.NOT_FOUND,
    503: Kind.OVERLOADED,
    505: Kind.INVALID_REQUEST,
    529: Kind.OVERLOADED,
}
