"""Limits of API calls for one key and one project: calls in a minute, and calls at once."""

import math
import threading
import time
from collections import Counter
from collections.abc import Iterable

from django.conf import settings

from batches.http.callers.request_rates import Rate, rates
from batches.models import ApiKey
from batches.rules.errors import RateLimited

AGAIN_AFTER_SECONDS = 1  # the Retry-After for too many calls at once: the end of a call is not known beforehand


class Call:
    """A call in progress. It counts from its first byte until its answer is sent."""

    def __init__(self, subjects: Iterable[str]) -> None:
        self._subjects = tuple(subjects)

    def end(self) -> None:
        """End the call. Ending a call twice is harmless."""
        _calls.end(self._subjects)
        self._subjects = ()


class _Calls:
    """The calls of the API that are in progress in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def begin(self, limits: dict[str, int]) -> str | None:
        """Count a call for all subjects, and return None. If a subject is at its limit, return it and count nothing."""
        with self._lock:
            for subject, limit in limits.items():
                if self._counts[subject] >= limit:
                    return subject
            self._counts.update(limits.keys())
        return None

    def end(self, subjects: Iterable[str]) -> None:
        with self._lock:
            self._counts.subtract(subjects)
            for subject in subjects:
                if not self._counts[subject]:
                    del self._counts[subject]


_calls = _Calls()


def begin_call(key: ApiKey) -> Call:
    """Count a call of a key. Raises RateLimited if the key or its project is at a limit."""
    subjects = {f"key:{key.pk}": "This API key", f"project:{key.project_id}": f"Project {key.project}"}
    every_minute = (settings.KEY_REQUESTS_PER_MINUTE, settings.PROJECT_REQUESTS_PER_MINUTE)
    at_once = (settings.KEY_CONCURRENT_CALLS, settings.PROJECT_CONCURRENT_CALLS)
    limits = {subject: limit for subject, limit in zip(subjects, at_once, strict=True) if limit}
    if full := _calls.begin(limits):
        message = f"{subjects[full]} may have {limits[full]} calls in progress at once. Try again when one of them has ended."
        raise RateLimited(message, retry_after=AGAIN_AFTER_SECONDS)
    call = Call(limits)
    limited = [Rate(subject, limit) for subject, limit in zip(subjects, every_minute, strict=True) if limit]
    if limited and (wait := rates().wait(limited, now=time.time())):
        call.end()
        seconds = math.ceil(wait)
        allowed = " and ".join(f"{subjects[rate.subject]} may make {rate.limit:,} calls in a minute" for rate in limited)
        raise RateLimited(f"{allowed}. Try again in {seconds} s.", retry_after=seconds)
    return call
