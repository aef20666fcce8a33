"""sign_in: what is written down about who signed in and out, from where, and who was refused."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from allauth.usersessions.models import UserSession
from django.contrib.auth.models import AbstractBaseUser, User
from django.db import transaction
from django.db.models import Q

from batches.actors import Actor
from batches.models import AuditEntry
from batches.services.audit import record_act, record_refusal
from batches.states import Source

NOBODY = Actor("nobody", Source.CONSOLE)
REMEMBERED_FOR = timedelta(days=30)  # that somebody signed in from an address


def person(user: User) -> Actor:
    """Somebody who acts on their own account."""
    return Actor(f"user {user.get_username()}", Source.CONSOLE)


def record_sign_in(user: User, *, address: str, how: Sequence[str], now: datetime) -> None:
    """That somebody signed in; `how` are the proofs that they gave, in words."""
    record_act("sign_in", actor=person(user), now=now, target=user, reason=", ".join([address, *how]))


@transaction.atomic
def record_sign_out(user: User, *, address: str, session_key: str, now: datetime) -> None:
    """That somebody signed out of a session, which is forgotten."""
    UserSession.objects.filter(session_key=session_key).delete()
    record_act("sign_out", actor=person(user), now=now, target=user, reason=address)


def record_refused_sign_in(name: str, *, address: str, why: str, now: datetime) -> None:
    """That somebody was not let in. What they typed for a name may be a password: it is kept only if it is somebody's name."""
    record_refusal("sign_in", actor=NOBODY, now=now, target=_called(name), reason=f"{address}, {why}")


def has_signed_in_from(address: str, *, name: str, now: datetime) -> bool:
    """Whether the person with this name signed in from this address lately."""
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
