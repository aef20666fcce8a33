"""people: change the account and the password of a person."""

from datetime import datetime

from allauth.usersessions.models import UserSession
from django.contrib.auth.models import User
from django.db import transaction

from batches.rules.actors import Actor
from batches.services.core.audit import record_act
from batches.services.core.configure import configure
from batches.services.people.sessions import end_all_sessions
from batches.services.people.sign_in import person


@transaction.atomic
def change_person(user: User, *, actor: Actor, now: datetime) -> None:
    """Save a valid account. If it is deactivated, its sessions end for good."""
    configure(user, actor=actor, now=now)
    if not user.is_active:
        end_all_sessions(user, actor=actor, why="deactivated", now=now)


def change_password(user: User, password: str, *, address: str, session_key: str, now: datetime) -> None:
    """Change a person's own password. Every session but the one with this key ends."""
    user.set_password(password)  # slow, so outside of the transaction
    with transaction.atomic():
        user.save(update_fields=["password"])
        record_act("change_password", actor=person(user), now=now, target=user, reason=address)
        end_all_sessions(user, actor=person(user), why=f"{address}, password changed", now=now, but=session_key)
        UserSession.objects.filter(session_key=session_key).delete()  # the session goes on under another key


@transaction.atomic
def record_set_password(user: User, *, actor: Actor, session_key: str, now: datetime) -> None:
    """Record that an admin of the portal set a person's password. Every session but one with this key ends."""
    record_act("set_password", actor=actor, now=now, target=user)
    end_all_sessions(user, actor=actor, why="password set", now=now, but=session_key)
