"""sign_in: records of sign-ins, sign-outs and refusals, each with the address."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from allauth.usersessions.models import UserSession
from django.contrib.auth.models import AbstractBaseUser, User
from django.db import transaction
from django.db.models import Q

from batches.models import AuditEntry
from batches.rules.actors import Actor
from batches.rules.states import Source
from batches.services.core.audit import record_act, record_refusal

NOBODY = Actor("nobody", Source.CONSOLE)
REMEMBERED_FOR = timedelta(days=30)


def person(user: User) -> Actor:
    """The actor of a change that a person makes to their own account."""
    return Actor(f"user {user.get_username()}", Source.CONSOLE)


def record_sign_in(user: User, *, address: str, how: Sequence[str], now: datetime) -> None:
    """Record that a person signed in. `how` names the proofs that they gave."""
    record_act("sign_in", actor=person(user), now=now, target=user, reason=", ".join([address, *how]))


@transaction.atomic
def record_sign_out(user: User, *, address: str, session_key: str, now: datetime) -> None:
    """Record that a person signed out of a session, and forget the session."""
    UserSession.objects.filter(session_key=session_key).delete()
    record_act("sign_out", actor=person(user), now=now, target=user, reason=address)


def record_refused_sign_in(name: str, *, address: str, why: str, now: datetime) -> None:
    """Record a refused sign-in. The name may be a mistyped password, so it is stored only if a person has this name."""
    record_refusal("sign_in", actor=NOBODY, now=now, target=_called(name), reason=f"{address}, {why}")


def has_signed_in_from(address: str, *, name: str, now: datetime) -> bool:
    """Whether the person with this name signed in from this address within REMEMBERED_FOR."""
    user = _called(name)
    if user is None:
        return False
    sign_ins = AuditEntry.objects.filter(
        target_id=str(user.pk), target_type="user", act="sign_in", outcome=AuditEntry.Outcome.DONE
    )
    there = Q(reason=address) | Q(reason__startswith=f"{address}, ")
    return sign_ins.filter(there, created_at__gt=now - REMEMBERED_FOR).exists()


def _called(name: str) -> User | None:
    known = AbstractBaseUser.normalize_username(name)
    return User.objects.filter(username=known).first() if "\0" not in known else None  # PostgreSQL takes no NUL
