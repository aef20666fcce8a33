"""The errors that services raise. The docstring is the message; `code` is stable; each dialect maps them once."""

from typing import ClassVar


class PortalError(Exception):
    """Something went wrong."""

    status: ClassVar[int] = 500  # the HTTP status that fits best
    code: ClassVar[str] = "internal_error"

    def __init__(self, message: str = "", *, param: str | None = None) -> None:
        self.message = message or (type(self).__doc__ or "").strip()
        self.param = param
        super().__init__(self.message)


class InvalidRequest(PortalError):
    """The request is not valid."""

    status = 400
    code = "invalid_request"


class NoProvider(InvalidRequest):
    """No provider serves this endpoint for this project."""

    code = "no_provider"


class NotAuthenticated(PortalError):
    """No valid API key was given."""

    status = 401
    code = "invalid_api_key"


class NotPermitted(PortalError):
    """You may not do this."""

    status = 403
    code = "permission_denied"


class NotFound(PortalError):
    """There is no such object."""

    status = 404
    code = "not_found"


class Conflict(PortalError):
    """The object is not in a state in which this can be done."""

    status = 409
    code = "conflict"


class InProgress(Conflict):
    """The same call is being worked on; repeat it in a moment."""

    code = "in_progress"
    retry_after = 2  # seconds


class LostRace(Conflict):
    """The object changed while this was done; read it again."""

    code = "lost_race"


class Gone(NotFound):
    """The content is no longer kept."""

    code = "content_gone"


class TooLarge(PortalError):
    """The request is larger than allowed."""

    status = 413
    code = "request_too_large"


class TooManyRequests(PortalError):
    """Too many requests; try again later."""

    status = 429
    code = "too_many_requests"


class RateLimited(TooManyRequests):
    """Too many calls in a short time; try again later."""

    code = "rate_limit_exceeded"

    def __init__(self, message: str = "", *, retry_after: int = 1) -> None:
        self.retry_after = retry_after  # seconds
        super().__init__(message)


class QuotaExceeded(TooManyRequests):
    """The project has used up a quota."""

    code = "insufficient_quota"


class Unavailable(PortalError):
    """The portal cannot do this right now; try again."""

    status = 503
    code = "unavailable"
    retry_after = 1  # seconds


class StorageAway(Unavailable):
    """The file storage is not there: a volume may not be mounted."""

    code = "storage_unavailable"
