"""S7: who may change a provider's address may not read what is stored with it; and both addresses are on record."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.test import Client
from pytest_django import Settings

from batches.models import AuditEntry
from batches.rules.actors import COMMAND, Actor
from batches.rules.errors import InvalidRequest
from batches.rules.states import Source
from batches.services.upstreams.providers import Credential, add_provider, configure_provider, set_secret
from providers.models import Provider
from tests.console.conftest import console
from tests.providers.test_admin import ADD, form

__all__ = ["console"]

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 30, tzinfo=UTC)
SECRET, OTHER = "sk-very-secret-0123456789", "sk-another-secret-987654321"
HERE = "https://host.example/v1"
PERSON = Actor("user anna", Source.ADMIN)
VARIABLE = "BATCHYARD_CREDENTIAL_UP"


def added(**settings: Any) -> Provider:
    given = {"adapter": "openai", "base_url": HERE, "credential": SECRET, **settings}
    return add_provider("up", actor=COMMAND, now=NOW, **given)


def configured(provider: Provider, *, actor: Actor = COMMAND, **settings: Any) -> Provider:
    return configure_provider(provider, actor=actor, now=NOW, **settings)


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"base_url": "https://elsewhere.example/v1"},
        {"base_url": "http://host.example/v1"},
        {"base_url": "https://host.example:8443/v1"},
        {"base_url": "https://host.example.evil.example/v1"},
        {"options": {"proxy": "http://proxy.example:3128"}},
        {"options": {"ca": "/etc/other.pem"}},
    ],
)
@pytest.mark.parametrize("actor", [COMMAND, PERSON])
def test_another_place_needs_the_credential_anew(elsewhere: dict[str, Any], actor: Actor) -> None:
    provider = added()

    with pytest.raises(InvalidRequest, match=r"credential: .*enter it again"):
        configured(provider, actor=actor, **elsewhere)
    kept = Provider.objects.get(pk=provider.pk)
    assert (kept.base_url, kept.options, kept.connection().credential) == (HERE, {}, SECRET)

    moved = configured(provider, actor=actor, credential=Credential(OTHER), **elsewhere)
    assert moved.connection().credential == OTHER


def test_or_it_is_removed() -> None:
    moved = configured(added(), base_url="https://elsewhere.example", credential=Credential())
    assert moved.connection().credential == ""


@pytest.mark.parametrize(
    "same",
    [
        {"base_url": "https://host.example/v2"},
        {"base_url": "https://HOST.example:443/v1"},
        {"options": {"models": {"m": "vendor/m"}}},
        {"options": {"auth": "api-key"}},
    ],
)
def test_the_same_place_does_not(same: dict[str, Any]) -> None:
    assert configured(added(), actor=PERSON, **same).connection().credential == SECRET


def test_a_provider_without_secrets_moves_freely() -> None:
    assert configured(added(credential=""), base_url="https://elsewhere.example").base_url == "https://elsewhere.example"


def test_secrets_of_options_and_headers_stay_behind_as_well() -> None:
    provider = added(credential="", options={"headers": {"X-Edge": {"secret": "edge"}, "X-Org": "organisation-9"}})
    set_secret(provider, "edge", secret=SECRET, actor=COMMAND, now=NOW)

    with pytest.raises(InvalidRequest, match=r"options: .*edge, headers\.X-Org"):
        configured(provider, base_url="https://elsewhere.example")
    with pytest.raises(InvalidRequest, match=r"options: .*: edge\."):
        configured(provider, base_url="https://elsewhere.example", options={"headers": {"X-Edge": {"secret": "edge"}}})

    moved = configured(provider, base_url="https://elsewhere.example", options={"headers": {"X-Org": "organisation-9"}})
    assert moved.connection().options == {"headers": {"X-Org": "organisation-9"}}
    assert moved.secret_names == ["headers.X-Org"], "what was not entered anew is forgotten: it could be referred to later"


def test_a_proxy_that_is_a_secret_is_a_place_too() -> None:
    provider = added(options={"proxy": {"secret": "way"}})
    with pytest.raises(InvalidRequest, match="enter it again"):
        set_secret(provider, "way", secret="http://evil.example:3128", actor=PERSON, now=NOW)
    assert Provider.objects.get(pk=provider.pk).secret_names == []


def test_the_old_and_the_new_address_are_on_record() -> None:
    provider = added()
    assert AuditEntry.objects.get(act="add_provider").reason == f"address: {HERE}"
    configured(
        provider,
        base_url="https://elsewhere.example/v1",
        options={"proxy": "http://proxy.example:3128"},
        credential=Credential(OTHER),
    )
    reason = AuditEntry.objects.get(act="change_provider").reason
    assert f"address: {HERE} -> https://elsewhere.example/v1; proxy: none -> proxy.example:3128" in reason
    assert not [entry for entry in AuditEntry.objects.all() if SECRET in entry.reason or OTHER in entry.reason]


# --- Variables and files -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["DATABASE_URL", "SECRET_KEY", "PATH", "BATCHYARD_CREDENTIAL", "batchyard_credential_up"])
def test_only_listed_variables_can_be_named(name: str) -> None:
    for given in ({"credential_env": name, "credential": ""}, {"options": {"headers": {"X-Edge": {"env": name}}}}):
        with pytest.raises(InvalidRequest, match=f"{name}.*BATCHYARD_CREDENTIAL_"):
            added(**given)


def test_a_variable_that_was_named_before_there_was_a_list_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPSTREAM_KEY", SECRET)
    old = Provider.objects.create(name="old", adapter="openai", base_url=HERE, credential_env="UPSTREAM_KEY")
    with pytest.raises(Exception, match=r"Provider old: .*UPSTREAM_KEY.*CREDENTIAL_VARIABLES") as refused:
        old.connection()
    assert SECRET not in str(refused.value)


def test_the_list_can_be_another(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.CREDENTIAL_VARIABLES = ["UPSTREAM_KEY", "TEAM_*"]
    monkeypatch.setenv("TEAM_KEY", SECRET)
    assert added(credential="", credential_env="TEAM_KEY").connection().credential == SECRET


@pytest.fixture
def folder(tmp_path: Path, settings: Settings) -> Path:
    made = tmp_path / "credentials"
    made.mkdir()
    settings.CREDENTIALS_DIR = made
    return made


def test_a_credential_may_be_in_a_file(folder: Path) -> None:
    (folder / "gateway").write_text(f"{SECRET}\n")
    (folder / "edge.key").write_text(OTHER)
    provider = added(credential="", credential_file="gateway", options={"headers": {"X-Edge": {"file": "edge.key"}}})
    connection = provider.connection()
    assert (connection.credential, connection.options) == (SECRET, {"headers": {"X-Edge": OTHER}})
    assert OTHER in connection.secrets
    (folder / "gateway").write_text("sk-rotated-secret-1")
    assert provider.connection().credential == "sk-rotated-secret-1"


def test_a_mounted_secret_may_be_a_link_within_the_folder(folder: Path) -> None:
    """As orchestrators mount them."""
    (folder / "..data").mkdir()
    (folder / "..data" / "gateway").write_text(SECRET)
    (folder / "gateway").symlink_to(Path("..data") / "gateway")
    assert added(credential="", credential_file="gateway").connection().credential == SECRET


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/b", "..", ".", ".hidden", "a\x00b", "a b", "a\n"])
def test_no_name_leads_out_of_the_folder(folder: Path, name: str) -> None:
    (folder.parent / "secret").write_text(SECRET)
    with pytest.raises(InvalidRequest, match="credential_file"):
        added(credential="", credential_file=name)
    assert not Provider.objects.filter(name="up").exists()


def leads_out(folder: Path) -> None:
    (folder.parent / "outside").write_text(SECRET)
    (folder / "key").symlink_to(folder.parent / "outside")


def loops(folder: Path) -> None:
    (folder / "key").symlink_to(folder / "key")


@pytest.mark.parametrize(
    "make",
    [
        leads_out,
        loops,
        lambda folder: (folder / "key").mkdir(),
        lambda folder: (folder / "key").write_bytes(b"\xff\xfe"),
        lambda folder: (folder / "key").write_text(" \n"),
        lambda folder: (folder / "key").write_text("x" * 40_000),
        str,  # it is not there
    ],
)
def test_a_file_that_holds_no_credential_is_said_to_be_so(folder: Path, make: Callable[[Path], object]) -> None:
    make(folder)
    provider = added(credential="", credential_file="key")
    with pytest.raises(Exception, match="Provider up: File key") as refused:
        provider.connection()
    assert SECRET not in str(refused.value)


def test_without_a_folder_there_are_no_files(settings: Settings) -> None:
    settings.CREDENTIALS_DIR = None
    with pytest.raises(InvalidRequest, match="CREDENTIALS_DIR"):
        added(credential="", credential_file="key")


@pytest.mark.parametrize(
    "two", [{"credential_env": VARIABLE, "credential_file": "key"}, {"credential": SECRET, "credential_file": "key"}]
)
def test_a_provider_has_one_credential(folder: Path, two: dict[str, str]) -> None:
    (folder / "key").write_text(OTHER)
    with pytest.raises(InvalidRequest, match=r"not both|not the credential"):
        added(**{"credential": "", **two})


def test_whoever_names_a_variable_in_a_browser_must_know_what_it_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, SECRET)
    provider = added(credential="")
    for typed in ("", OTHER):
        with pytest.raises(InvalidRequest, match=VARIABLE):
            configured(provider, actor=PERSON, credential=Credential(typed, variable=VARIABLE))
    with pytest.raises(InvalidRequest, match=VARIABLE):
        add_provider("evil", adapter="openai", base_url="https://evil.example", credential_env=VARIABLE, actor=PERSON, now=NOW)
    with pytest.raises(InvalidRequest, match=r"variable BATCHYARD_CREDENTIAL_UP.*manage\.py provider set"):
        configured(provider, actor=PERSON, options={"headers": {"X-Edge": {"env": VARIABLE}}})

    named = configured(provider, actor=PERSON, credential=Credential(SECRET, variable=VARIABLE))
    assert (named.credential_env, bytes(named.credential_encrypted), named.connection().credential) == (VARIABLE, b"", SECRET)

    assert configured(named, actor=PERSON, options={"auth": "api-key"}).credential_env == VARIABLE
    with pytest.raises(InvalidRequest, match="Enter the credential"):
        configured(named, actor=PERSON, base_url="https://elsewhere.example")
    assert configured(named, base_url="https://elsewhere.example").credential_env == VARIABLE, "who has the machine has it"


# --- In the admin --------------------------------------------------------------------------------------------


def test_the_form_of_the_admin_asks_for_it_beside_its_field(console: Client) -> None:
    console.post(ADD, form(credential=SECRET))
    made = Provider.objects.get(name="up")
    page = f"/admin/providers/provider/{made.pk}/change/"

    answer = console.post(page, form(base_url="https://elsewhere.example/v1"))
    assert answer.status_code == 200
    assert "enter it again" in answer.content.decode()
    made.refresh_from_db()
    assert made.base_url == "https://host/v1"

    assert console.post(page, form(base_url="https://elsewhere.example/v1", credential=OTHER)).status_code == 302
    made.refresh_from_db()
    assert (made.base_url, made.connection().credential) == ("https://elsewhere.example/v1", OTHER)
    assert "https://host/v1 -> https://elsewhere.example/v1" in AuditEntry.objects.get(act="change_provider").reason

    assert (
        "enter it again"
        in console.post(page, form(base_url="https://elsewhere.example/v1", adapter="anthropic")).content.decode()
    )
    answer = console.post(page, form(base_url="https://third.example/v1", remove_credential="on"))
    assert answer.status_code == 302
    made.refresh_from_db()
    assert made.connection().credential == ""


def test_a_variable_is_named_in_the_form_with_what_it_holds(console: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, SECRET)
    for given in ({"credential_env": VARIABLE}, {"credential_env": VARIABLE, "credential": OTHER}, {"credential_env": "PATH"}):
        assert console.post(ADD, form(**given)).status_code == 200
        assert not Provider.objects.filter(name="up").exists()
    assert console.post(ADD, form(credential_env=VARIABLE, credential=SECRET)).status_code == 302
    made = Provider.objects.get(name="up")
    assert (made.credential_env, bytes(made.credential_encrypted)) == (VARIABLE, b"")
    assert SECRET not in console.get(f"/admin/providers/provider/{made.pk}/change/").content.decode()


def test_a_provider_whose_secrets_cannot_be_read_can_be_mended_in_the_form(console: Client, settings: Settings) -> None:
    made = added(credential="", options={"headers": {"X-Org": "organisation-9"}})
    settings.CREDENTIAL_KEYS = [Fernet.generate_key().decode()]
    page = f"/admin/providers/provider/{made.pk}/change/"
    given = form(base_url=HERE, options='{"headers": {"X-Org": "organisation-9"}}')
    refused = console.post(page, given)
    assert refused.status_code == 200
    assert "CREDENTIAL_KEYS does not hold" in refused.content.decode()
    assert console.post(page, form(base_url=HERE, max_concurrency=9)).status_code == 302
