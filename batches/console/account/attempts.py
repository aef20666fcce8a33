"""How fast sign-ins may fail: per name and address, per address, per name, and in total.

allauth counts failures in a sliding window for each bound (ACCOUNT_RATE_LIMITS). A full window refuses attempts until its oldest
failure is old enough. Guessing becomes slow, and nobody is locked out for good. A refused attempt is not counted.

Strangers can fill the shared bounds, and must not keep a person out. A person who signed in from an address lately is bound there
by the first bound alone. Only attempts under that name from that address fill it.
"""

import unicodedata

from allauth.core import ratelimit
from django.http import HttpRequest
from django.utils import timezone

from batches.console.account.address import client_address, client_network
from batches.services.people import sign_in

EVERYBODY = "everybody"


def may_try(request: HttpRequest, name: str) -> bool:
    """Whether a password may be looked at now."""
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
    """Record a refused sign-in, unless there are enough such records already. The waiting room holds the answer back."""
    request.sign_in_failed = True  # type: ignore[attr-defined]  # for the waiting room
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
    """One spelling of a name. allauth stores a digest of it."""
    return unicodedata.normalize("NFKC", name).casefold()
