"""Adding and removing providers, and who may use them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from pytest_django import Settings

from batches.models import Batch, Dialect, Project, ProviderGrant
from batches.rules.actors import COMMAND
from batches.rules.errors import Conflict, InvalidRequest
from batches.services.core.route import granted_providers, route
from batches.services.upstreams.providers import (
    add_provider,
    disable_provider,
    enable_provider,
    grant,
    remove_provider,
    rotate_credentials,
)
from providers.models import CredentialUnavailable, Provider
from tests.cast import TESTER

pytestmark = pytest.mark.django_db
CHAT = "/v1/chat/completions"
NOW = datetime(2026, 11, 21, tzinfo=UTC)


def add(name: str = "up", **settings: Any) -> Provider:
    given = {"adapter": "openai", "base_url": "https://host/v1", "actor": TESTER, **settings}
    return add_provider(name, now=NOW, **given)


def test_a_provider_is_granted_to_everybody_unless_projects_are_named(project: Project, other_project: Project) -> None:
    add("for-all")
    add("for-one", projects=[project])
    assert {"for-all", "for-one"} <= {provider.name for provider in granted_providers(project)}
    assert "for-one" not in {provider.name for provider in granted_providers(other_project)}


def test_the_portals_default_is_one_at_a_time(project: Project) -> None:
    add("first", default=True)
    add("second", default=True)
    assert not Provider.objects.get(name="first").is_default
    assert route(project, endpoint=CHAT).name == "second"


def test_a_projects_default_goes_before_the_portals(project: Project, other_project: Project) -> None:
    add("everybodys", default=True)
    add("ours", default=True, projects=[project])
    assert route(project, endpoint=CHAT).name == "ours"
    assert route(other_project, endpoint=CHAT).name == "everybodys"
    assert not Provider.objects.get(name="ours").is_default


def test_a_project_has_one_default_at_a_time(project: Project) -> None:
    add("first", default=True, projects=[project])
    second = add("second", default=True, projects=[project])
    assert ProviderGrant.objects.get(is_default=True).provider == second


def test_granting_again_changes_nothing(project: Project) -> None:
    provider = add(default=True, projects=[project])
    grant(provider, project=project, actor=TESTER, now=NOW)
    assert ProviderGrant.objects.get(provider=provider).is_default


@pytest.mark.parametrize(
    ("name", "given", "named"),
    [
        ("up", {"adapter": "telnet"}, "adapter: There is no adapter 'telnet'; there are "),
        ("up", {"base_url": ""}, "base_url: A base URL is needed"),
        ("up", {"options": {"colour": "red"}}, "colour"),
        ("up", {"max_concurrency": 0}, "max_concurrency: "),
        ("two words", {}, "name: "),
        ("simulator", {}, "name: "),
        ("up", {"credential": "line\nbreak"}, "visible ASCII"),
        ("up", {"credential": "sk-123", "credential_env": "BATCHYARD_CREDENTIAL_UP"}, "is not set"),
    ],
)
def test_a_bad_setting_is_named_and_nothing_is_stored(simulator: Provider, name: str, given: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        add(name, **given)
    assert named in caught.value.message
    assert list(Provider.objects.all()) == [simulator]


def test_a_disabled_provider_is_given_no_new_batches_until_it_is_enabled(project: Project) -> None:
    provider = add()
    disable_provider(provider, actor=TESTER, now=NOW)
    assert provider not in granted_providers(project)
    enable_provider(provider, actor=TESTER, now=NOW)
    assert provider in granted_providers(project)


def test_an_unused_provider_is_removed_with_its_grants(project: Project) -> None:
    remove_provider(add(projects=[project]), actor=TESTER, now=NOW)
    assert not Provider.objects.filter(name="up").exists()
    assert not ProviderGrant.objects.exists()


def test_a_provider_with_a_batch_stays(project: Project) -> None:
    now = NOW
    provider = add()
    Batch.objects.create(
        project=project,
        provider=provider,
        dialect=Dialect.OPENAI,
        endpoint=CHAT,
        completion_window="24h",
        created_at=now,
        updated_at=now,
        expires_at=now + timedelta(hours=24),
    )
    with pytest.raises(Conflict, match="provider disable up"):
        remove_provider(provider, actor=TESTER, now=NOW)
    assert Provider.objects.filter(name="up").exists()


def test_stored_credentials_are_rotated_together(settings: Settings) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.CREDENTIAL_KEYS = [old]
    add("one", credential="sk-one")
    add("two", credential="sk-two")
    add("three", credential_env="BATCHYARD_CREDENTIAL_UP", actor=COMMAND)
    settings.CREDENTIAL_KEYS = [new, old]
    assert rotate_credentials(actor=TESTER, now=NOW) == 2
    settings.CREDENTIAL_KEYS = [new]
    assert Provider.objects.get(name="two").connection().credential == "sk-two"


def test_a_rotation_that_cannot_read_one_credential_changes_none(settings: Settings) -> None:
    lost, old, new = (Fernet.generate_key().decode() for _ in range(3))
    settings.CREDENTIAL_KEYS = [old]
    add("a-readable", credential="sk-one")
    settings.CREDENTIAL_KEYS = [lost]
    add("b-lost", credential="sk-two")
    settings.CREDENTIAL_KEYS = [new, old]
    with pytest.raises(CredentialUnavailable, match="b-lost"):
        rotate_credentials(actor=TESTER, now=NOW)
    settings.CREDENTIAL_KEYS = [old]
    assert Provider.objects.get(name="a-readable").connection().credential == "sk-one"
