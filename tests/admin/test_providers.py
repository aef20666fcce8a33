"""The admin's pages of providers: credentials, mistakes, checks, and acts from the list."""

import pytest
from django.test import Client
from django.utils import timezone

from batches.models import AuditEntry, ProviderHealth
from providers.models import Provider
from tests.admin.conftest import page_of


def provider_form(**changes: str) -> dict[str, str]:
    """The form of a provider, as a browser sends it."""
    inlines = {f"{prefix}-{suffix}_FORMS": "0" for prefix in ("models", "grants") for suffix in ("TOTAL", "INITIAL")}
    about = {
        "name": "up",
        "adapter": "openai",
        "base_url": "https://host/v1",
        "options": "{}",
        "initial-options": "{}",
        "max_concurrency": "5",
        "max_open_jobs": "100",
    }
    return about | {"enabled": "on", "granted_to_all": "on"} | inlines | changes


def test_a_credential_is_written_and_never_read(console: Client, simulator: Provider) -> None:
    assert console.post("/admin/providers/provider/add/", provider_form(credential="sk-1")).status_code == 302
    provider = Provider.objects.get(name="up")
    assert provider.connection().credential == "sk-1"
    page = console.get(page_of(provider)).content.decode()
    assert "sk-1" not in page
    assert "A credential is stored" in page
    console.post(page_of(provider), provider_form(max_concurrency="6"))
    provider.refresh_from_db()
    assert (provider.connection().credential, provider.max_concurrency) == ("sk-1", 6)
    acts = [(entry.act, entry.changes) for entry in AuditEntry.objects.order_by("created_at", "id")]
    assert [act for act, _ in acts] == ["add_provider", "set_credential", "change_provider"]
    assert acts[-1][1] == {"max_concurrency": [5, 6]}
    assert "sk-1" not in str(acts)


@pytest.mark.parametrize(
    ("wrong", "field", "said"),
    [
        ({"base_url": ""}, "base_url", "A base URL is needed"),
        ({"credential": "two words"}, "credential", "visible ASCII"),
        ({"credential": "sk-1", "credential_env": "HOME"}, "credential_env", "CREDENTIAL_VARIABLES"),
        ({"options": "{"}, "options", "valid JSON"),
        ({"max_error_rate": "2"}, "max_error_rate", "less than or equal to 1"),
    ],
)
def test_what_is_wrong_with_a_provider_is_said_beside_its_field(
    console: Client, wrong: dict[str, str], field: str, said: str
) -> None:
    answer = console.post("/admin/providers/provider/add/", provider_form(**wrong))
    assert said in str(answer.context["adminform"].form.errors[field])
    assert "sk-1" not in answer.content.decode()
    assert not Provider.objects.filter(name="up").exists()


def test_a_connection_is_checked_and_the_outcome_shown(console: Client, simulator: Provider) -> None:
    broken = Provider.objects.create(name="broken", adapter="openai", base_url="http://127.0.0.1:9/v1")
    form = {"action": "check_connection", "_selected_action": [simulator.pk, broken.pk]}
    page = console.post("/admin/providers/provider/", form, follow=True).content.decode()
    assert '<li class="success">Provider simulator: ' in page
    assert '<li class="error">Provider broken: ' in page


def test_providers_are_switched_off_on_record(console: Client, simulator: Provider) -> None:
    for action, enabled in (("disable", False), ("enable", True), ("enable", True)):
        console.post("/admin/providers/provider/", {"action": action, "_selected_action": [simulator.pk]})
        simulator.refresh_from_db()
        assert simulator.enabled is enabled
    assert list(AuditEntry.objects.values_list("act", flat=True).order_by("id")) == ["disable_provider", "enable_provider"]


def test_held_providers_are_resumed_from_their_list(console: Client, simulator: Provider) -> None:
    """U5"""
    now = timezone.now()
    ProviderHealth.objects.create(provider=simulator, concurrency=1, hold_kind="authentication", held_since=now, updated_at=now)
    form = {"action": "resume", "_selected_action": [simulator.pk]}
    for resumed in (1, 0):
        answer = console.post("/admin/providers/provider/", form, follow=True)
        assert f"{resumed} resumed." in answer.content.decode()
    assert not ProviderHealth.objects.get().hold_kind
    assert AuditEntry.objects.get().act == "resume_provider"
