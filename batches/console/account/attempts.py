"""How fast sign-ins may fail: per name and address, per address, per name, and in total.

Each bound is a sliding window of failures (ACCOUNT_RATE_LIMITS), counted by allauth. A full window refuses attempts until its
oldest failure is old enough, so that guessing becomes slow and nobody is locked out for good. An attempt that is refused counts
for nothing.

The bounds that strangers share must not keep a person out. Somebody who signed in from an address lately is held there by the
first bound alone, which only attempts under that name from that address fill.
"""

import unicodedata

from allauth.core import ratelimit
from django.http import HttpRequest
from django.utils import timezone

from batches.console.account.address import client_address, client_network
from batches.services import sign_in

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
    """Put a refused sign-in on record, unless there are enough such records lately. The answer to it is held back."""
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
    """One spelling of a name; allauth keeps only digests of what is counted under."""
    return unicodedata.normalize("NFKC", name).casefold()
