"""sign_in: bound how often somebody may try a password."""

from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, User
from django.db.models import F
from django.utils.crypto import salted_hmac

from batches.actors import Actor
from batches.models import SignInAttempts
from batches.services.audit import record_refusal
from batches.states import Source

NOBODY = Actor("nobody", Source.CONSOLE)


def attempt(name: str, address: str, *, now: datetime) -> bool:
    """Count an attempt, before its password is looked at; whether it may be.

    After SIGN_IN_ATTEMPTS under one name from one address none may, until SIGN_IN_SECONDS after the first of them. The one that
    is refused first is put on record.
    """
    subject = _subject(name, address)
    known = SignInAttempts.objects.filter(subject=subject)
    SignInAttempts.objects.get_or_create(subject=subject, defaults={"count": 0, "since": now})
    known.filter(since__lte=_horizon(now)).update(count=0, since=now)
    known.update(count=F("count") + 1)
    count = known.values_list("count", flat=True).first() or 1
    if count == settings.SIGN_IN_ATTEMPTS + 1:
        record_refusal("sign_in", actor=NOBODY, now=now, target=User.objects.filter(username=name).first(), reason=address)
    return count <= settings.SIGN_IN_ATTEMPTS


def succeed(name: str, address: str) -> None:
    """The password was right: what went before does not count."""
    SignInAttempts.objects.filter(subject=_subject(name, address)).delete()


def forget_attempts(*, now: datetime) -> None:
    """Remove those that count no more."""
    SignInAttempts.objects.filter(since__lte=_horizon(now)).delete()


def _horizon(now: datetime) -> datetime:
    return now - timedelta(seconds=settings.SIGN_IN_SECONDS)


def _subject(name: str, address: str) -> str:
    return salted_hmac(
        "batches.sign_in", f"{AbstractBaseUser.normalize_username(name)}\0{address}", algorithm="sha256"
    ).hexdigest()
