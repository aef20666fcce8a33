"""RetryOrder: the terms of a retry, which every caller hands to `retry` and `resend`."""

from dataclasses import dataclass

from batches.models import ApiKey, IdempotencyRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryOrder:
    """The terms of a retry, apart from the objects that it sends, its maker and the time.

    `provider_name` is for a child batch; without it, the child goes where its parent went. `reservation` gets the batch of the
    retry (see `idempotency`). `version` is the version that the batch must still have, so that a double click is one retry.
    """

    reason: str = ""
    provider_name: str | None = None
    key: ApiKey | None = None
    reservation: IdempotencyRecord | None = None
    version: int | None = None


PLAIN = RetryOrder()
