"""Anna, who signs in, at a portal where strangers may guess three times."""

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from batches.models import AuditEntry
from config.settings.people import sign_in_rates
from tests.security.sign_in.people import PASSWORD

ATTEMPTS = 3


@pytest.fixture
def few_attempts(settings: Settings) -> None:
    settings.ACCOUNT_RATE_LIMITS = sign_in_rates(ATTEMPTS, 900)


@pytest.fixture
def anna() -> User:
    return User.objects.create_user("anna", password=PASSWORD)


def records(act: str, *, outcome: str = "done") -> list[str]:
    """The reasons of records about an act, the oldest first."""
    return list(AuditEntry.objects.filter(act=act, outcome=outcome).order_by("id").values_list("reason", flat=True))
