"""Provider: what settings it takes, and how its credential is kept."""

from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from pytest_django import Settings

from batches.models import Project
from batches.rules.errors import NoProvider
from batches.services.core.route import granted_providers, route
from providers import registry
from providers.check import check
from providers.models import CredentialUnavailable, Provider
from tests.providers.calls import SECRET

pytestmark = pytest.mark.django_db


def provider(**fields: Any) -> Provider:
    return Provider(**{"name": "up", "adapter": "openai", "base_url": "https://api.example.com/v1", **fields})


@pytest.mark.parametrize(
    "base_url", ["https://api.example.com/v1", "http://localhost:8000", "http://vllm:8000/v1/", "http://[::1]:80"]
)
def test_good_settings_pass(base_url: str) -> None:
    provider(base_url=base_url).full_clean()
    provider(adapter="simulator", base_url="", options={"latency_ms": 5}).full_clean()


@pytest.mark.parametrize(
    ("fields", "field", "named"),
    [
        ({"adapter": "telnet"}, "adapter", "openai, simulator"),
        ({"base_url": ""}, "base_url", "needed"),
        ({"base_url": "api.example.com"}, "base_url", "https://"),
        ({"base_url": "ftp://api.example.com"}, "base_url", "https://"),
        ({"base_url": "https://"}, "base_url", "host"),
        ({"base_url": "https://host:port/v1"}, "base_url", "not a URL"),
        ({"base_url": "https://user:password@host/v1"}, "base_url", "password"),
        ({"base_url": "https://host/v1?key=1"}, "base_url", "query"),
        ({"options": {"colour": "red"}}, "options", "colour"),
        ({"options": ["colour"]}, "options", "object"),
        ({"adapter": "simulator", "base_url": "", "options": {"failure_rate": 2}}, "options", "failure_rate"),
        ({"adapter": "simulator"}, "base_url", "built in"),
        ({"credential_env": "not a name"}, "credential_env", "environment variable"),
        ({"name": "two words"}, "name", "slug"),
    ],
)
def test_a_bad_setting_is_named(fields: dict[str, Any], field: str, named: str) -> None:
    with pytest.raises(ValidationError) as caught:
        provider(**fields).full_clean()
    assert list(caught.value.message_dict) == [field]
    assert named in str(caught.value)


def test_every_bad_setting_is_named_at_once() -> None:
    with pytest.raises(ValidationError) as caught:
        provider(base_url="", options={"colour": "red"}).full_clean()
    assert set(caught.value.message_dict) == {"base_url", "options"}


# --- The credential ----------------------------------------------------------------------------------------


def test_a_credential_is_encrypted_at_rest_and_read_back() -> None:
    kept = provider()
    kept.set_credential(SECRET)
    kept.save()
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM providers_provider")
        assert SECRET not in repr([tuple(map(bytes_or_text, row)) for row in cursor.fetchall()])
    again = Provider.objects.get(name="up")
    assert again.connection().credential == SECRET
    assert SECRET not in repr(again.connection())


def bytes_or_text(value: Any) -> Any:
    return bytes(value) if isinstance(value, memoryview) else value


@pytest.mark.parametrize("secret", ["line\nbreak", "two words", "sk-ü", "\r\nX-Evil: 1"])
def test_a_credential_that_cannot_be_a_header_is_refused_without_quoting_it(secret: str) -> None:
    with pytest.raises(ValidationError) as caught:
        provider().set_credential(secret)
    assert secret not in str(caught.value)


def test_an_empty_credential_removes_the_stored_one() -> None:
    kept = provider()
    kept.set_credential(SECRET)
    kept.set_credential("")
    assert kept.connection().credential == ""


def test_a_credential_comes_from_the_environment_when_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    named = provider(credential_env="BATCHYARD_CREDENTIAL_UP")
    with pytest.raises(CredentialUnavailable, match="BATCHYARD_CREDENTIAL_UP"):
        named.connection()
    monkeypatch.setenv("BATCHYARD_CREDENTIAL_UP", SECRET)
    assert named.connection().credential == SECRET


def test_a_provider_has_one_credential_not_two() -> None:
    kept = provider()
    kept.set_credential(SECRET)
    kept.credential_env = "BATCHYARD_CREDENTIAL_UP"
    with pytest.raises(IntegrityError), transaction.atomic():
        kept.save()


def test_a_credential_survives_the_rotation_of_keys(settings: Settings) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.CREDENTIAL_KEYS = [old]
    kept = provider()
    kept.set_credential(SECRET)
    settings.CREDENTIAL_KEYS = [new, old]
    assert kept.connection().credential == SECRET
    kept.rotate_credential()
    settings.CREDENTIAL_KEYS = [new]
    assert kept.connection().credential == SECRET


def test_a_credential_under_an_unknown_key_is_said_to_be_unreadable(settings: Settings) -> None:
    kept = provider()
    kept.set_credential(SECRET)
    settings.CREDENTIAL_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(CredentialUnavailable, match="provider up"):
        kept.connection()
    with pytest.raises(CredentialUnavailable, match="provider up"):
        kept.rotate_credential()


# --- What it offers ----------------------------------------------------------------------------------------


def test_a_provider_whose_adapter_is_gone_serves_nothing() -> None:
    assert provider(adapter="telnet").endpoints == frozenset()
    assert provider(adapter="telnet").simulated is False
    assert provider(adapter="simulator").simulated is True


def test_a_new_default_takes_the_place_of_the_old_one() -> None:
    old, new = provider(name="old", is_default=True), provider(name="new")
    old.save()
    new.save()
    new.take_default()
    assert list(Provider.objects.filter(is_default=True, adapter="openai")) == [new]


# --- A portal without the simulator ---------------------------------------------------------------------------


def test_a_simulator_that_is_switched_off_is_neither_offered_nor_used(
    project: Project, simulator: Provider, settings: Settings
) -> None:
    """E11"""
    assert "simulator" in registry.offered()
    assert [provider.name for provider in granted_providers(project)] == ["simulator"]
    settings.SIMULATOR = False
    assert "simulator" not in registry.offered()
    assert granted_providers(project) == []
    with pytest.raises(NoProvider):
        route(project, endpoint="/v1/embeddings")
    with pytest.raises(NoProvider):
        route(project, endpoint="/v1/embeddings", name="simulator")
    with pytest.raises(ValidationError, match="switched off"):
        Provider(name="another", adapter="simulator").full_clean()
    simulator.full_clean()  # it can still be disabled, or given another adapter
    found = check(simulator)
    assert not found.ok
    assert "SIMULATOR" in found.message


def test_a_standby_is_another_provider_that_serves_some_of_the_same_endpoints() -> None:
    fitting = provider(name="fitting")
    fitting.save()
    unfit = provider(name="unfit", adapter="anthropic", base_url="https://api.example.com")
    unfit.save()
    provider(standby=fitting).full_clean()
    for standby, problem in ((unfit, "unfit serves none of the endpoints"), (None, "cannot stand by for itself")):
        fitting.standby = standby or fitting
        with pytest.raises(ValidationError) as refused:
            fitting.full_clean()
        assert problem in refused.value.message_dict["standby"][0]
