"""welcome: the first operator, project and key of a fresh portal."""

import secrets
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from batches.rules.actors import COMMAND
from batches.services.core.audit import record_act
from batches.services.people.keys import issue_key

OPERATOR = "operator"
PROJECT = "default"


@dataclass(frozen=True, slots=True)
class Welcome:
    """A login for the console and an API key. Both are shown once, and stored nowhere in plain text."""

    username: str
    password: str
    project: str
    key: str


def welcome(*, password: str = "", now: datetime) -> Welcome | None:
    """Make an operator, a project and a key. The password is random unless one is given. None if there are users already."""
    with transaction.atomic():
        if User.objects.exists():
            return None
        password = password or secrets.token_urlsafe(12)
        user = User.objects.create_superuser(OPERATOR, password=password)
        record_act("add_user", actor=COMMAND, now=now, target=user)
        _, key = issue_key(PROJECT, name="first key", actor=COMMAND, now=now)
        return Welcome(username=OPERATOR, password=password, project=PROJECT, key=key)
