"""S7: the values of extra headers are never in the database as they are, also those that earlier versions stored there."""

import json
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.apps import apps
from django.db import connection
from pytest_django import Settings

from batches.rules.actors import COMMAND
from batches.services.upstreams.providers import add_provider, configure_provider
from providers.models import CredentialUnavailable, Provider

pytestmark = [pytest.mark.django_db, pytest.mark.both]
NOW = datetime(2026, 11, 30, tzinfo=UTC)
VALUE = "organisation-0123456789"
LONG = "X-" + "very-" * 20 + "long"
encrypt_headers = import_module("providers.migrations.0004_secrets_kept_elsewhere").encrypt_headers


def in_the_database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM providers_provider")
        return repr(
            [tuple(bytes(value) if isinstance(value, memoryview) else value for value in row) for row in cursor.fetchall()]
        )


def added(headers: dict[str, Any]) -> Provider:
    options = {"headers": headers, "query": {"team": "blue"}}
    return add_provider("up", adapter="openai", base_url="https://host", options=options, actor=COMMAND, now=NOW)


def test_a_header_is_stored_encrypted_and_sent_as_it_was_given() -> None:
    made = Provider.objects.get(pk=added({"X-Org": VALUE, LONG: "a long name"}).pk)
    assert VALUE not in in_the_database()
    assert made.options["headers"]["X-Org"] == {"secret": "headers.X-Org"}
    assert made.connection().options["headers"] == {"X-Org": VALUE, LONG: "a long name"}
    made.full_clean()


def test_what_is_given_anew_takes_the_place_of_what_was_there_and_what_is_gone_is_forgotten() -> None:
    made = added({"X-Org": VALUE, "X-Other": "else"})
    made = configure_provider(made, options={"headers": {"X-Org": "another"}}, actor=COMMAND, now=NOW)
    assert made.connection().options["headers"] == {"X-Org": "another"}
    assert made.secret_names == ["headers.X-Org"]
    made = configure_provider(made, options={"headers": None}, actor=COMMAND, now=NOW)
    assert made.secret_names == []


def old(name: str, **fields: Any) -> Provider:
    """A provider as an earlier version stored it."""
    return Provider.objects.create(name=name, adapter="http", base_url="https://host", **fields)


def test_what_is_there_already_is_encrypted_by_the_migration() -> None:
    plain = old("plain", options={"headers": {"X-Api-Key": VALUE, "X-Edge": {"secret": "edge"}, LONG: "x"}, "method": "PUT"})
    plain.set_secret("edge", "sk-edge-secret-1")
    plain.save()
    old("none", options={})
    old("odd", options={"headers": ["X-Org"]})
    before = Provider.objects.get(name="plain").connection().options

    encrypt_headers(apps, None)
    encrypt_headers(apps, None)  # a second time changes nothing

    assert VALUE not in in_the_database()
    kept = Provider.objects.get(name="plain")
    assert kept.connection().options == before
    assert json.loads(json.dumps(kept.options))["headers"]["X-Api-Key"] == {"secret": "headers.X-Api-Key"}
    assert Provider.objects.get(name="odd").options == {"headers": ["X-Org"]}


def test_a_provider_whose_secrets_cannot_be_read_keeps_nobody_from_upgrading(settings: Settings) -> None:
    lost = old("lost", options={"headers": {"X-Org": VALUE}})
    lost.set_secret("edge", "sk-edge-secret-1")
    lost.save()
    settings.CREDENTIAL_KEYS = [Fernet.generate_key().decode()]
    encrypt_headers(apps, None)
    with pytest.raises(CredentialUnavailable):
        Provider.objects.get(name="lost").connection()
