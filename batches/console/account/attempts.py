"""Limits of failed sign-ins: per name and address, per address, per name, and in total.

allauth counts failures in a sliding window for each limit (ACCOUNT_RATE_LIMITS). A full window refuses attempts until its
oldest failure leaves the window. So guessing is slow, and nobody is locked out for good. A refused attempt is not counted.

Strangers can fill all limits but the first, and must not lock a person out in this way. So only the first limit, per name and
address, holds for a person at an address from which they signed in lately. Only attempts under this name from this address
count towards it.
"""

import unicodedata

from allauth.core import ratelimit
from django.http import HttpRequest
from django.utils import timezone

from batches.console.account.address import client_address, client_network
from batches.services.people import sign_in

EVERYBODY = "everybody"


def may_try(request: HttpRequest, name: str) -> bool:
    """Whether the password of an attempt may be checked now."""
    if not _has_room(request, "sign_in_pair", _pair(request, name)):
        return False
    if all(_has_room(request, bound, key) for bound, key in _shared_bounds(name)):
        return True
    return sign_in.has_signed_in_from(client_address(request), name=name, now=timezone.now())


def note_failure(request: HttpRequest, name: str) -> None:
    """Count an attempt that failed."""
    for bound, key in (("sign_in_pair", _pair(request, name)), *_shared_bounds(name)):
        ratelimit.consume(request, action=bound, key=key)


def note_refusal(request: HttpRequest, name: str, *, why: str) -> None:
    """Record a refused sign-in, unless there are enough such records already. The waiting room delays the answer."""
    request.sign_in_failed = True  # type: ignore[attr-defined]  # read by the waiting room
    bounds = (("refusal_pair", _pair(request, name)), ("refusal_address", None), ("refusal_total", EVERYBODY))
    if all(ratelimit.consume(request, action=bound, key=key) for bound, key in bounds):
        sign_in.record_refused_sign_in(name, address=client_address(request), why=why, now=timezone.now())


def _has_room(request: HttpRequest, bound: str, key: str | None) -> bool:
    return ratelimit.consume(request, action=bound, key=key, dry_run=True)


def _shared_bounds(name: str) -> tuple[tuple[str, str | None], ...]:
    return ("sign_in_address", None), ("sign_in_name", _known(name)), ("sign_in_total", EVERYBODY)


def _pair(request: HttpRequest, name: str) -> str:
    return f"{_known(name)}\0{client_network(request)}"


def _known(name: str) -> str:
    """A name in one spelling for all its variants. allauth stores a digest of it."""
    return unicodedata.normalize("NFKC", name).casefold()
