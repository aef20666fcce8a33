"""`manage.py account`: what operators and scripts rely on."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from batches.models import AccountToken, Project
from batches.services.people.accounts import UnknownAccount, linked_account
from providers.models import Provider


def account(*words: str) -> tuple[str, str]:
    """Run the command: what it writes on stdout, and on stderr."""
    out, err = StringIO(), StringIO()
    call_command("account", *words, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def issued(project: str = "acme") -> str:
    return account("issue", "--project", project, "--provider", "simulator")[0].strip()


def test_issue_prints_the_token_alone_and_the_token_works(project: Project, simulator: Provider) -> None:
    out, err = account("issue", "--project", "acme", "--provider", "simulator")

    assert linked_account(project, out.strip()) == simulator
    assert out == out.strip() + "\n"
    assert "shown only now" in err
    assert out.strip() not in err


def test_a_token_is_stored_hashed(project: Project, simulator: Provider) -> None:
    plain = issued()

    assert plain not in repr(AccountToken.objects.values())


def test_a_provider_that_the_project_may_not_use_is_refused(project: Project) -> None:
    Provider.objects.create(name="books", adapter="http", base_url="https://books.example", granted_to_all=False)

    with pytest.raises(CommandError, match="may not use"):
        account("issue", "--project", "acme", "--provider", "books")

    assert not AccountToken.objects.exists()


@pytest.mark.parametrize("wrong", ["nobody", "", "\x00", "\udcff"])
def test_an_unknown_project_or_provider_is_refused(project: Project, simulator: Provider, wrong: str) -> None:
    with pytest.raises(CommandError, match="no project"):
        account("issue", f"--project={wrong}", "--provider", "simulator")
    with pytest.raises(CommandError, match="no provider"):
        account("issue", "--project", "acme", f"--provider={wrong}")


def test_list_shows_every_token_but_never_the_secret(project: Project, other_project: Project, simulator: Provider) -> None:
    secrets = [issued("acme"), issued("globex")]

    out, _ = account("list")
    narrowed, _ = account("list", "--project", "globex")

    assert "acme" in out
    assert "globex" in out
    assert "acme" not in narrowed
    assert not any(secret in out for secret in secrets)


@pytest.mark.parametrize("form", ["id", "hex"])
def test_a_revoked_token_is_refused_from_then_on(project: Project, simulator: Provider, form: str) -> None:
    plain = issued()
    token = AccountToken.objects.get()

    account("revoke", {"id": str(token.id), "hex": token.id.hex}[form])

    with pytest.raises(UnknownAccount):
        linked_account(project, plain)
    assert "revoked" in account("list")[0]


def test_revoking_twice_says_so_and_keeps_the_first_time(project: Project, simulator: Provider) -> None:
    issued()
    identifier = str(AccountToken.objects.get().id)
    account("revoke", identifier)
    revoked_at = AccountToken.objects.get().revoked_at

    with pytest.raises(CommandError, match="already revoked"):
        account("revoke", identifier)

    assert AccountToken.objects.get().revoked_at == revoked_at


@pytest.mark.parametrize("wrong", ["acct_x", "", "0" * 32, "\x00", "\udcff"])
def test_revoking_an_unknown_token_is_refused(project: Project, simulator: Provider, wrong: str) -> None:
    issued()

    with pytest.raises(CommandError, match="no token"):
        account("revoke", wrong)

    assert AccountToken.objects.get().revoked_at is None
