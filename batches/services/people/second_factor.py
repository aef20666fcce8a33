"""second_factor: records about second factors, the sessions that end with them, and taking one away."""

from datetime import datetime

from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User
from django.db import transaction

from batches.rules.actors import Actor
from batches.services.core.audit import record_act
from batches.services.people.encryption import rotate
from batches.services.people.sessions import end_all_sessions
from batches.services.people.sign_in import person

ENCRYPTED = ("secret", "seed")  # the secret of an app, the seed of recovery codes


@transaction.atomic
def record_set_up(user: User, *, address: str, session_key: str, now: datetime) -> None:
    """Record that a person set up a second factor. Their other sessions end: a password alone opened them."""
    record_act("set_up_second_factor", actor=person(user), now=now, target=user, reason=address)
    end_all_sessions(user, actor=person(user), why=f"{address}, second factor set up", now=now, but=session_key)


def record_removal(user: User, *, address: str, now: datetime) -> None:
    """Record that a person removed their second factor."""
    record_act("remove_second_factor", actor=person(user), now=now, target=user, reason=address)


def record_new_codes(user: User, *, address: str, now: datetime) -> None:
    """Record that a person made new recovery codes."""
    record_act("make_recovery_codes", actor=person(user), now=now, target=user, reason=address)


@transaction.atomic
def reset_second_factor(user: User, *, actor: Actor, now: datetime) -> bool:
    """Remove the second factor of a person who has lost it, and end their sessions. Return whether there was one."""
    removed, _ = Authenticator.objects.filter(user=user).delete()
    if not removed:
        return False
    record_act("reset_second_factor", actor=actor, now=now, target=user)
    end_all_sessions(user, actor=actor, why="second factor taken away", now=now)
    return True


@transaction.atomic
def rotate_second_factors(*, actor: Actor, now: datetime) -> int:
    """Encrypt every second factor anew under the first of CREDENTIAL_KEYS. Return how many there are. Raises Conflict."""
    kept = list(Authenticator.objects.select_for_update())
    for authenticator in kept:
        for name in ENCRYPTED:
            if name in authenticator.data:
                authenticator.data[name] = rotate(authenticator.data[name])
        authenticator.save(update_fields=["data"])
    if kept:
        record_act("rotate_second_factors", actor=actor, now=now, reason=f"{len(kept)} encrypted anew.")
    return len(kept)
