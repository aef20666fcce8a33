"""S8: a debug page shows nothing of what opens the portal's doors."""

import sys
from urllib.parse import quote

import pytest
from django.test import RequestFactory
from django.views.debug import technical_500_response
from pytest_django import Settings

PASSWORD = 'pass/word"&<0123456789>'
DATABASE = f"postgres://portal:{quote(PASSWORD, safe='')}@db.example:5432/batchyard"
REDIS_PASSWORD = "another-password-9"
REDIS = f"redis://:{REDIS_PASSWORD}@redis.example:6379/0"
SIGNING, ENCRYPTING, CLIENTS = "the-secret-key-of-the-portal", "the-key-of-all-credentials-1=", "by_the-key-of-a-client"
SECRETS = (PASSWORD, DATABASE, REDIS, REDIS_PASSWORD, quote(PASSWORD, safe=""), SIGNING, ENCRYPTING, CLIENTS, "pass/word")


class Refused(Exception):
    """As a driver says it."""


def fails() -> None:
    conninfo = {"password": PASSWORD, "host": "db.example"}
    plain = f"host=db.example password={PASSWORD}"
    raise Refused(f"cannot connect to {DATABASE} with {conninfo} or {plain}")


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_a_debug_page_shows_no_address_with_a_password_and_no_key(settings: Settings, accept: str) -> None:
    settings.DEBUG = True
    settings.DATABASE_URL, settings.REDIS_URL, settings.CELERY_BROKER_URL = DATABASE, REDIS, REDIS
    settings.SECRET_KEY, settings.CREDENTIAL_KEYS = SIGNING, [ENCRYPTING]
    try:
        fails()
    except Refused:
        request = RequestFactory().get("/console/", headers={"Accept": accept, "Authorization": f"Bearer {CLIENTS}"})
        page = technical_500_response(request, *sys.exc_info()).content.decode()

    assert "Refused" in page, "it is a debug page all the same"
    assert not [secret for secret in SECRETS if secret in page]
