"""manage.py provider: the default, credentials, and secrets that stay where they were entered for."""

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError
from django.utils import timezone
from pytest_django import Settings

from batches.models import AuditEntry, Project, ProviderHealth
from batches.rules.errors import NoProvider
from batches.services.core.route import route
from providers.models import Provider
from tests.management.conftest import provider

pytestmark = [pytest.mark.django_db, pytest.mark.once]

# --- C18: the default, and credentials ------------------------------------------------------------------------


def two_real_ones() -> None:
    for name in ("alpha", "beta"):
        provider("add", name, "--adapter", "openai", "--base-url", "https://host/v1")


def test_without_a_default_the_error_names_the_command_that_sets_one(project: Project, simulator: Provider) -> None:
    two_real_ones()
    with pytest.raises(NoProvider, match=r"alpha, beta.*manage\.py provider set alpha --default") as refused:
        route(project, endpoint="/v1/chat/completions")
    command = str(refused.value).partition("manage.py provider ")[2].rstrip(").").split()
    assert provider(*command) == "Provider alpha is the default.\n"
    assert route(project, endpoint="/v1/chat/completions").name == "alpha"
    provider("set", "beta", "--default")
    assert route(project, endpoint="/v1/chat/completions").name == "beta"
    assert Provider.objects.filter(is_default=True, adapter="openai").count() == 1


def test_a_default_may_be_that_of_some_projects_only(project: Project, other_project: Project) -> None:
    two_real_ones()
    provider("set", "alpha", "--default")
    assert provider("set", "beta", "--default", "--project", "acme") == "Provider beta is the default of acme.\n"
    assert route(project, endpoint="/v1/chat/completions").name == "beta"
    assert route(other_project, endpoint="/v1/chat/completions").name == "alpha"
    with pytest.raises(CommandError, match="--default"):
        provider("set", "beta", "--project", "acme")


def test_what_is_granted_to_some_is_nobody_elses_default(project: Project) -> None:
    provider("add", "up", "--adapter", "openai", "--base-url", "https://host", "--project", "acme")
    with pytest.raises(CommandError, match="granted to some projects only"):
        provider("set", "up", "--default")
    assert not Provider.objects.get(name="up").is_default


SECRET = "sk-very-secret-1234"


def typed(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", StringIO(text))


def test_a_credential_comes_from_standard_input_and_is_never_shown(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    typed(monkeypatch, f"{SECRET}\nand nothing else\n")
    said = provider("add", "up", "--adapter", "openai", "--base-url", "https://host", "--credential-stdin")
    made = Provider.objects.get(name="up")
    assert made.connection().credential == SECRET
    assert SECRET.encode() not in bytes(made.credential_encrypted)
    typed(monkeypatch, "sk-another-secret")
    said += provider("set", "up", "--credential-stdin")
    assert Provider.objects.get(name="up").connection().credential == "sk-another-secret"
    said += provider("set", "up", "--remove-credential") + provider("show", "up") + provider("list")
    assert Provider.objects.get(name="up").connection().credential == ""
    assert "secret" not in said + "".join(capfd.readouterr())
    acts = list(AuditEntry.objects.order_by("created_at", "pk").values_list("act", flat=True))
    assert acts == ["add_provider", "set_credential", "remove_credential"]


def test_a_stored_credential_takes_the_place_of_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    provider("add", "up", "--adapter", "openai", "--base-url", "https://host", "--credential-env", "BATCHYARD_CREDENTIAL_UP")
    typed(monkeypatch, SECRET)
    provider("set", "up", "--credential-stdin", "--requests-per-minute", "7")
    made = Provider.objects.get(name="up")
    assert (made.credential_env, made.requests_per_minute, made.connection().credential) == ("", 7, SECRET)


@pytest.mark.parametrize("text", ["", "\n", "  \n", "two words\n", "naïve\n"])
def test_what_can_be_no_credential_changes_nothing(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    typed(monkeypatch, SECRET)
    provider("add", "up", "--adapter", "openai", "--base-url", "https://host", "--credential-stdin")
    typed(monkeypatch, text)
    with pytest.raises(CommandError) as refused:
        provider("set", "up", "--credential-stdin", "--requests-per-minute", "7")
    assert text.strip() == "" or text.strip() not in str(refused.value)
    made = Provider.objects.get(name="up")
    assert (made.connection().credential, made.requests_per_minute) == (SECRET, None)


def test_no_option_takes_a_credential_from_the_command_line() -> None:
    with pytest.raises(CommandError):
        provider("add", "up", "--adapter", "openai", "--base-url", "https://host", "--credential", SECRET)
    with pytest.raises(CommandError, match="not allowed with"):
        provider("set", "up", "--credential-stdin", "--remove-credential")


def test_a_held_provider_is_resumed_and_one_that_is_not_stays_as_it_is(simulator: Provider) -> None:
    assert "is not held" in provider("resume", "simulator")
    now = timezone.now()
    ProviderHealth.objects.create(
        provider=simulator, concurrency=1, hold_kind="quota_exhausted", hold_strikes=5, held_since=now, updated_at=now
    )
    provider("check", "simulator")
    assert ProviderHealth.objects.get().probe_asked_at is not None
    assert "Resumed provider simulator." in provider("resume", "simulator")
    assert not ProviderHealth.objects.get().hold_kind
    assert "is not held" in provider("resume", "simulator")


# --- S7: secrets stay where they were entered for ---------------------------------------------------------------


def test_another_address_needs_the_credential_again(monkeypatch: pytest.MonkeyPatch) -> None:
    typed(monkeypatch, SECRET)
    provider("add", "up", "--adapter", "openai", "--base-url", "https://host", "--credential-stdin")
    with pytest.raises(CommandError, match="enter it again"):
        provider("set", "up", "--base-url", "https://elsewhere.example")
    typed(monkeypatch, SECRET)
    said = provider("set", "up", "--base-url", "https://elsewhere.example", "--credential-stdin")
    assert "Stored the credential of provider up." in said
    made = Provider.objects.get(name="up")
    assert (made.base_url, made.connection().credential) == ("https://elsewhere.example", SECRET)
    changes = AuditEntry.objects.get(act="change_provider").changes or {}
    assert changes["base_url"] == ["https://host", "https://elsewhere.example"]


def test_a_variable_and_a_file_can_be_named_instead(monkeypatch: pytest.MonkeyPatch, settings: Settings, tmp_path: Path) -> None:
    settings.CREDENTIALS_DIR = tmp_path
    (tmp_path / "gateway").write_text(SECRET)
    monkeypatch.setenv("BATCHYARD_CREDENTIAL_UP", "sk-in-the-variable-1")
    provider("add", "up", "--adapter", "openai", "--base-url", "https://host", "--credential-file", "gateway")
    assert Provider.objects.get(name="up").connection().credential == SECRET
    assert "Noted the credential of provider up." in provider("set", "up", "--credential-env", "BATCHYARD_CREDENTIAL_UP")
    made = Provider.objects.get(name="up")
    assert (made.connection().credential, made.credential_file) == ("sk-in-the-variable-1", "")
    with pytest.raises(CommandError, match="CREDENTIAL_VARIABLES"):
        provider("set", "up", "--credential-env", "HOME")
    with pytest.raises(CommandError, match="not allowed with"):
        provider("set", "up", "--credential-env", "BATCHYARD_CREDENTIAL_UP", "--credential-file", "gateway")
