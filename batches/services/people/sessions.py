"""sessions: end the sessions of a person, and forget those that are over."""

from collections.abc import Iterable
from datetime import datetime

from allauth.usersessions.models import UserSession
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db import transaction

from batches.rules.actors import Actor
from batches.services.core.audit import record_act
from batches.services.people.sign_in import person

MOST = 20  # sessions of one person at once; signing in looks at each of them


@transaction.atomic
def end_sessions(ended: Iterable[UserSession], *, of: User, actor: Actor, why: str, now: datetime) -> int:
    """End these sessions of a person. Returns their number; without any there is no record."""
    number = 0
    for session in ended:
        session.end()
        number += 1
    if number:
        record_act("end_sessions", actor=actor, now=now, target=of, reason=f"{number}: {why}")
    return number


def end_all_sessions(of: User, *, actor: Actor, why: str, now: datetime, but: str = "") -> int:
    """End every session of a person, but for the one with the key `but`."""
    return end_sessions(UserSession.objects.filter(user=of).exclude(session_key=but), of=of, actor=actor, why=why, now=now)


def end_oldest_sessions(of: User, *, address: str, now: datetime) -> None:
    """Keep the MOST sessions of a person that were used last, and end the others."""
    surplus = UserSession.objects.filter(user=of).order_by("-last_seen_at", "-pk")[MOST:]
    end_sessions(surplus, of=of, actor=person(of), why=f"{address}, more than {MOST}", now=now)


@transaction.atomic
def end_session(session_key: str, *, of: User, address: str, why: str, now: datetime) -> None:
    """Record that a session was over when it was used again. The caller ends the session itself."""
    UserSession.objects.filter(session_key=session_key).delete()
    record_act("end_session", actor=person(of), now=now, target=of, reason=f"{address}, {why}")


def forget_sessions(*, now: datetime) -> None:
    """Remove sessions that are over, and those of deactivated people: they must not open again with the account."""
    del now  # sessions use the clock of the machine
    for session in UserSession.objects.filter(user__is_active=False):
        session.end()
    SessionStore.clear_expired()
    UserSession.objects.exclude(session_key__in=Session.objects.values("session_key")).delete()
