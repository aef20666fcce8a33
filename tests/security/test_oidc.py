"""Signing in through a real OpenID Connect provider (node-oidc-provider), in a real browser: sign-in, a removed group, sign-out."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from playwright.sync_api import Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from batches.models import AuditEntry, Membership, Project, Role
from tests.processes import ROOT
from tests.servers import free_port

pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(shutil.which("node") is None, reason="There is no Node on this machine."),
]

FOLDER = ROOT / "build" / "clients" / "oidc-provider"
SECRET = "a-secret-of-the-portal"
GROUPS = {"ml-team": ["acme:operator"], "desk": ["staff"], "ops": ["admin"]}


class People:
    """Who the provider knows, and what it says of them; it reads that anew each time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.claims: dict[str, dict[str, Any]] = {}
        self.know("anna", groups=["ml-team"])

    def know(self, subject: str, **claims: Any) -> None:
        known = {"preferred_username": subject, "email": f"{subject}@example.com", "email_verified": True}
        self.claims[subject] = known | claims
        self.path.write_text(json.dumps(self.claims))


@pytest.fixture
def people(tmp_path: Path) -> People:
    return People(tmp_path / "people.json")


@pytest.fixture
def provider(people: People, live_server: LiveServer, settings: Settings, project: Project) -> Iterator[str]:
    """A provider that listens, and a portal that trusts it; its address."""
    assert (FOLDER / "node_modules").exists(), "make test installs it: make build/clients/oidc-provider/installed"
    shutil.copy(ROOT / "tests" / "clients" / "oidc-provider" / "provider.mjs", FOLDER)
    port = free_port()
    words = ["node", "provider.mjs", str(port), str(people.path)]
    words += [f"{live_server.url}/console/login/oidc/callback/", f"{live_server.url}/console/login/"]
    settings.OIDC_ISSUER = f"http://127.0.0.1:{port}"
    settings.OIDC_CLIENT_ID, settings.OIDC_CLIENT_SECRET = "batchyard", SECRET
    settings.OIDC_NAME, settings.OIDC_GROUPS = "Example ID", GROUPS
    with subprocess.Popen(words, cwd=FOLDER, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout
        for line in process.stdout:
            if line.strip() == "listening":
                break
        else:
            pytest.fail("The provider did not start.")
        yield settings.OIDC_ISSUER
        process.kill()


def sign_in(page: Page, portal: LiveServer, subject: str = "anna", *, path: str = "/console/batches/") -> None:
    """Through the provider's pages, as far as it shows any."""
    page.goto(portal.url + path)
    page.get_by_role("link", name="Continue with Example ID").click()
    if page.get_by_placeholder("Enter any login").count():
        page.get_by_placeholder("Enter any login").fill(subject)
        page.get_by_placeholder("and password").fill("x")
        page.get_by_role("button", name="Sign-in").click()
    if page.get_by_role("button", name="Continue").count():
        page.get_by_role("button", name="Continue").click()
    page.wait_for_url(f"{portal.url}/**")


def sign_out(page: Page) -> None:
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="Yes, sign me out").click()
    page.wait_for_url("**/console/login/")


def records(act: str) -> list[tuple[str, str]]:
    return list(AuditEntry.objects.filter(act=act).order_by("id").values_list("outcome", "reason"))


def test_somebody_new_gets_what_their_groups_give_loses_it_with_them_and_signs_out_everywhere(
    provider: str, people: People, page: Page, live_server: LiveServer
) -> None:
    sign_in(page, live_server)

    expect(page).to_have_url(f"{live_server.url}/console/batches/")
    anna = User.objects.get()
    assert (anna.username, anna.email, anna.has_usable_password()) == ("anna", "anna@example.com", False)
    assert Membership.objects.get().role == Role.OPERATOR
    assert records("sign_in") == [("done", "127.0.0.1, OIDC")]

    sign_out(page)
    assert not Session.objects.exists()
    page.goto(f"{provider}/me")
    page.goto(f"{live_server.url}/console/batches/")
    page.get_by_role("link", name="Continue with Example ID").click()
    expect(page.get_by_placeholder("Enter any login")).to_be_visible()  # the provider has forgotten them, too

    people.know("anna", groups=[])
    sign_in(page, live_server)
    expect(page.get_by_role("heading", name="You belong to no project yet")).to_be_visible()
    assert not Membership.objects.exists()
    assert User.objects.get() == anna
    assert "remove_membership" in AuditEntry.objects.values_list("act", flat=True)
    kept = str(list(AuditEntry.objects.values())) + str(list(SocialAccount.objects.values()))
    assert SECRET not in kept
    assert "eyJ" not in kept + str([session.get_decoded() for session in Session.objects.all()])


def test_who_gets_nothing_gets_no_account(provider: str, people: People, page: Page, live_server: LiveServer) -> None:
    people.know("bert", groups=["somebody-elses"])

    sign_in(page, live_server, "bert")

    expect(page.get_by_role("heading", name="You have no account here")).to_be_visible()
    assert not User.objects.exists()
    assert records("sign_in") == [("refused", "127.0.0.1, OIDC: claims give nothing (bert)")]


@pytest.mark.parametrize("allowed", [False, True])
def test_an_account_with_the_same_address_is_taken_over_only_where_that_is_allowed(
    provider: str, people: People, page: Page, live_server: LiveServer, settings: Settings, allowed: bool
) -> None:
    boss = User.objects.create_superuser("boss", email="anna@example.com", password="a password of theirs")
    settings.SOCIALACCOUNT_EMAIL_AUTHENTICATION = allowed

    sign_in(page, live_server)

    boss.refresh_from_db()
    assert User.objects.count() == 1
    assert SocialAccount.objects.filter(user=boss).exists() == allowed
    assert boss.has_usable_password() != allowed
    if allowed:
        expect(page).to_have_url(f"{live_server.url}/console/batches/")
        assert records("link_account") == [("done", "")]
    else:
        expect(page.get_by_role("heading", name="Your e-mail address belongs to another account")).to_be_visible()


def test_an_address_that_is_not_verified_opens_nothing(
    provider: str, people: People, page: Page, live_server: LiveServer, settings: Settings
) -> None:
    User.objects.create_superuser("boss", email="boss@example.com")
    settings.SOCIALACCOUNT_EMAIL_AUTHENTICATION = True
    people.know("anna", groups=["ops"], email="boss@example.com", email_verified=False)

    sign_in(page, live_server)

    expect(page.get_by_role("heading", name="Your e-mail address belongs to another account")).to_be_visible()
    assert not SocialAccount.objects.exists()


def test_a_second_factor_that_the_portal_demands_is_asked_of_them_too_unless_the_provider_sees_to_it(
    provider: str, page: Page, live_server: LiveServer, settings: Settings
) -> None:
    settings.REQUIRE_SECOND_FACTOR = "everybody"
    sign_in(page, live_server)
    expect(page).to_have_url(re.compile("/second-factor/set-up/"))
    expect(page.get_by_role("img", name="QR code")).to_be_visible()

    settings.OIDC_SECOND_FACTOR = True
    page.goto(f"{live_server.url}/console/batches/")
    expect(page).to_have_url(f"{live_server.url}/console/batches/")


def test_who_is_deactivated_stays_out(provider: str, page: Page, live_server: LiveServer) -> None:
    sign_in(page, live_server)
    User.objects.update(is_active=False)

    page.goto(f"{live_server.url}/console/batches/")
    page.get_by_role("link", name="Continue with Example ID").click()

    expect(page.get_by_role("heading", name="Your account is switched off")).to_be_visible()


def test_a_provider_that_does_not_answer_or_is_another_one_gets_a_page(
    provider: str, page: Page, live_server: LiveServer, settings: Settings
) -> None:
    for elsewhere in (f"http://127.0.0.1:{free_port()}", provider.replace("127.0.0.1", "localhost")):
        settings.OIDC_ISSUER = elsewhere
        page.goto(f"{live_server.url}/console/login/oidc/")
        expect(page.get_by_role("heading", name="Signing in failed")).to_be_visible()
    page.goto(f"{live_server.url}/console/login/oidc/callback/?code=x&state=forged")
    expect(page.get_by_role("heading", name="Signing in failed")).to_be_visible()
    assert not User.objects.exists()


@pytest.mark.parametrize("query", ["scope=offline_access", "auth_params=redirect_uri%3Dhttps://evil.example", "process=connect"])
def test_no_link_chooses_what_the_provider_is_asked(provider: str, page: Page, live_server: LiveServer, query: str) -> None:
    answer = page.goto(f"{live_server.url}/console/login/oidc/?{query}")
    assert answer is not None
    assert answer.status == 400
