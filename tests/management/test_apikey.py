"""`manage.py apikey`: what operators and scripts rely on."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from batches.models import ApiKey, AuditEntry, Project
from batches.rules.errors import NotAuthenticated
from batches.services.people.authenticate import authenticate
from providers.models import Provider
from tests.cast import request_lines, started

pytestmark = pytest.mark.django_db


def apikey(*words: str) -> tuple[str, str]:
    """Run the command: what it writes on stdout, and on stderr."""
    out, err = StringIO(), StringIO()
    call_command("apikey", *words, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_create_prints_the_key_alone_and_the_key_works() -> None:
    out, err = apikey("create", "--project", "acme", "--name", "mobile app")

    key = authenticate(out.strip(), now=timezone.now())
    assert out == out.strip() + "\n"
    assert (key.project.slug, key.name, key.expires_at) == ("acme", "mobile app", None)
    assert "shown only now" in err
    assert out.strip() not in err


def test_create_makes_a_project_once() -> None:
    apikey("create", "--project", "acme", "--name", "one")
    apikey("create", "--project", "acme", "--name", "two")

    assert Project.objects.get().api_keys.count() == 2


def test_a_key_can_be_made_to_expire() -> None:
    out, _ = apikey("create", "--project", "acme", "--name", "intern", "--expires-in-days", "3")

    authenticate(out.strip(), now=timezone.now() + timedelta(days=2, hours=23))
    with pytest.raises(NotAuthenticated):
        authenticate(out.strip(), now=timezone.now() + timedelta(days=3, seconds=1))


@pytest.mark.parametrize("slug", ["", "Acme", "acme corp", "-acme", "acme--x", "a" * 65, "acmé", "acme\n", "\x00", "\udcff"])
def test_what_is_no_slug_is_refused(slug: str) -> None:
    with pytest.raises(CommandError, match="slug"):
        apikey("create", f"--project={slug}", "--name", "x")

    assert not Project.objects.exists()


@pytest.mark.parametrize("name", ["", " ", "a" * 101, "bell\x07", "nul\x00", "not text \udcff", "two\nlines"])
def test_what_is_no_name_is_refused_and_makes_no_project(name: str) -> None:
    with pytest.raises(CommandError, match="name"):
        apikey("create", "--project", "acme", "--name", name)

    assert not Project.objects.exists()


@pytest.mark.parametrize("days", ["0", "-1", "1.5", "soon", "99999", "٣x"])
def test_what_is_no_number_of_days_is_refused(days: str) -> None:
    with pytest.raises(CommandError, match="days"):
        apikey("create", "--project", "acme", "--name", "x", f"--expires-in-days={days}")


def test_list_shows_every_key_but_never_the_secret_part() -> None:
    plain = apikey("create", "--project", "acme", "--name", "mobile")[0].strip()
    apikey("create", "--project", "globex", "--name", "web")

    out, _ = apikey("list")

    assert plain[:11] in out
    assert plain not in out
    assert "mobile" in out
    assert "web" in out


def test_list_can_be_narrowed_to_a_project() -> None:
    apikey("create", "--project", "acme", "--name", "mobile")
    apikey("create", "--project", "globex", "--name", "web")

    out, _ = apikey("list", "--project", "globex")

    assert "web" in out
    assert "mobile" not in out


@pytest.mark.parametrize("project", ["nobody", "\x00", "\udcff"])
def test_list_of_an_unknown_project_is_empty(project: str) -> None:
    apikey("create", "--project", "acme", "--name", "mobile")

    assert "mobile" not in apikey("list", "--project", project)[0]


@pytest.mark.parametrize("form", ["prefix", "id", "hex"])
def test_a_revoked_key_is_refused_from_then_on(form: str) -> None:
    plain = apikey("create", "--project", "acme", "--name", "mobile")[0].strip()
    key = ApiKey.objects.get()

    apikey("revoke", {"prefix": key.prefix, "id": str(key.id), "hex": key.id.hex}[form])

    with pytest.raises(NotAuthenticated):
        authenticate(plain, now=timezone.now())
    assert "revoked" in apikey("list")[0]


def test_revoking_twice_says_so_and_keeps_the_first_time() -> None:
    apikey("create", "--project", "acme", "--name", "mobile")
    apikey("revoke", ApiKey.objects.get().prefix)
    revoked_at = ApiKey.objects.get().revoked_at

    with pytest.raises(CommandError, match="already revoked"):
        apikey("revoke", ApiKey.objects.get().prefix)

    assert ApiKey.objects.get().revoked_at == revoked_at


@pytest.mark.parametrize("wrong", ["by_nothing", "by_", "", "0" * 32, "\x00", "\udcff"])
def test_revoking_an_unknown_key_is_refused(wrong: str) -> None:
    apikey("create", "--project", "acme", "--name", "mobile")

    with pytest.raises(CommandError, match="no key"):
        apikey("revoke", wrong)

    assert ApiKey.objects.get().revoked_at is None


def test_scopes_and_addresses_are_given_when_a_key_is_made_and_listed() -> None:
    create = ("create", "--project", "acme", "--name", "nightly", "--scope", "read", "--scope", "submit")
    plain = apikey(*create, "--address", "10.0.0.0/8", "--address", "2001:db8::1")[0].strip()

    key = ApiKey.objects.get()
    assert (key.scopes, key.addresses, key.created_by) == ("submit read", "10.0.0.0/8 2001:db8::1/128", "command")
    authenticate(plain, now=timezone.now(), address="10.1.2.3")
    listed = apikey("list")[0]
    assert "submit,read" in listed
    assert "10.0.0.0/8,2001:db8::1/128" in listed


@pytest.mark.parametrize(("option", "value"), [("--scope", "admin"), ("--address", "10.0.0.1/8"), ("--address", "\x00")])
def test_what_is_no_scope_or_network_is_refused(option: str, value: str) -> None:
    with pytest.raises(CommandError):
        apikey("create", "--project", "acme", "--name", "x", option, value)

    assert not ApiKey.objects.exists()


def test_a_key_is_changed_and_what_is_not_named_stays() -> None:
    apikey("create", "--project", "acme", "--name", "mobile", "--expires-in-days", "3", "--address", "10.0.0.0/8")
    key = ApiKey.objects.get()

    apikey("change", key.prefix, "--name", "tablet")
    changed = ApiKey.objects.get()
    assert (changed.name, changed.expires_at, changed.addresses) == ("tablet", key.expires_at, "10.0.0.0/8")

    apikey("change", key.prefix, "--never-expires", "--any-address")
    changed = ApiKey.objects.get()
    assert (changed.name, changed.expires_at, changed.addresses) == ("tablet", None, "")

    apikey("change", key.prefix, "--expires-in-days", "1", "--address", "192.0.2.7")
    changed = ApiKey.objects.get()
    assert changed.expires_at is not None
    assert changed.addresses == "192.0.2.7/32"

    apikey("revoke", key.prefix)
    with pytest.raises(CommandError, match="revoked"):
        apikey("change", key.prefix, "--name", "x")


@pytest.mark.parametrize(
    ("words", "status", "paused", "said"),
    [
        ((), "in_progress", False, "go on: 1. With --batches"),
        (("--batches", "pause"), "in_progress", True, "1 paused"),
        (("--batches", "cancel"), "cancelling", False, "1 being cancelled"),
    ],
)
def test_what_becomes_of_running_batches_is_said_with_the_revocation(
    project: Project, simulator: Provider, words: tuple[str, ...], status: str, paused: bool, said: str
) -> None:
    apikey("create", "--project", "acme", "--name", "mobile")
    key = ApiKey.objects.get()
    batch = started(project, request_lines(1), key=key)

    err = apikey("revoke", key.prefix, *words, "--reason", "It leaked.")[1]

    batch.refresh_from_db()
    assert (batch.status, batch.paused_at is not None) == (status, paused)
    assert said in err
    assert "It leaked." in AuditEntry.objects.get(act="revoke_key").reason
