"""Signing in through a real OpenID Connect provider (node-oidc-provider): sign-in, a removed group, sign-out, who stays out."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast
from urllib.parse import urljoin

import pytest
import requests
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.http import HttpResponse
from django.test import Client
from playwright.sync_api import Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from batches.models import AuditEntry, Membership, Project, Role
from tests.processes import ROOT
from tests.security.sign_in.people import CODE, SET_UP, code_of, may_enter, with_second_factor
from tests.servers import free_port

pytestmark = [
    pytest.mark.once,
    pytest.mark.django_db,
    pytest.mark.skipif(shutil.which("node") is None, reason="There is no Node on this machine."),
]

FOLDER = ROOT / "build" / "clients" / "oidc-provider"
SECRET = "a-secret-of-the-portal"
START = "/console/login/oidc/"
GROUPS = {"ml-team": ["acme:operator"], "desk": ["staff"], "ops": ["admin"]}


class Provider:
    """The provider: where it is, and who it knows. It reads that anew each time."""

    def __init__(self, people: Path) -> None:
        self.people = people
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.claims: dict[str, dict[str, Any]] = {}

    def know(self, subject: str, **claims: Any) -> None:
        known = {"preferred_username": subject, "email": f"{subject}@example.com", "email_verified": True}
        self.claims[subject] = known | claims
        self.people.write_text(json.dumps(self.claims))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, live_server: LiveServer) -> Iterator[Provider]:
    """A provider that listens, for portals at two addresses: the browser's and that of the test client."""
    assert (FOLDER / "node_modules").exists(), "make test installs it: make build/clients/oidc-provider/installed"
    shutil.copy(ROOT / "tests" / "clients" / "oidc-provider" / "provider.mjs", FOLDER)
    provider = Provider(tmp_path_factory.mktemp("oidc") / "people.json")
    words = ["node", "provider.mjs", str(provider.port), str(provider.people), live_server.url, "http://testserver"]
    with subprocess.Popen(words, cwd=FOLDER, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout
        said = []
        for line in process.stdout:
            said.append(line)
            if line.strip() == "listening":
                break
        else:
            pytest.fail(f"The provider did not start: {said}")
        yield provider
        process.kill()


@pytest.fixture(autouse=True)
def provider(running: Provider, settings: Settings, project: Project) -> Provider:
    """The provider, which a portal trusts; it knows anna, of the ml-team."""
    settings.OIDC_ISSUER, settings.OIDC_CLIENT_ID, settings.OIDC_CLIENT_SECRET = running.url, "batchyard", SECRET
    settings.OIDC_NAME, settings.OIDC_GROUPS = "Example ID", GROUPS
    running.claims = {}
    running.know("anna", groups=["ml-team"])
    return running


def records(act: str) -> list[tuple[str, str]]:
    return list(AuditEntry.objects.filter(act=act).order_by("id").values_list("outcome", "reason"))


# --- In a browser --------------------------------------------------------------------------------------------


def sign_in_at_provider(page: Page, portal: LiveServer) -> None:
    page.goto(f"{portal.url}/console/batches/")
    page.get_by_role("link", name="Continue with Example ID").click()
    page.get_by_placeholder("Enter any login").fill("anna")
    page.get_by_placeholder("and password").fill("x")
    page.get_by_role("button", name="Sign-in").click()
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url(f"{portal.url}/**")


def test_somebody_gets_what_their_groups_give_loses_it_with_them_and_signs_out_everywhere(
    provider: Provider, page: Page, live_server: LiveServer
) -> None:
    sign_in_at_provider(page, live_server)
    expect(page).to_have_url(f"{live_server.url}/console/batches/")
    anna = User.objects.get()
    assert (anna.username, anna.email, anna.has_usable_password()) == ("anna", "anna@example.com", False)
    assert Membership.objects.get().role == Role.OPERATOR
    assert records("sign_in") == [("done", "127.0.0.1, OIDC")]

    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="Yes, sign me out").click()
    page.wait_for_url("**/console/login/")
    assert records("sign_out") == [("done", "127.0.0.1")]

    provider.know("anna", groups=[])
    sign_in_at_provider(page, live_server)  # it asks anew who they are
    expect(page.get_by_role("heading", name="You belong to no project yet")).to_be_visible()
    assert not Membership.objects.exists()
    assert User.objects.get() == anna
    assert records("remove_membership") == [("done", "")]


# --- Without one ---------------------------------------------------------------------------------------------


def sign_in(client: Client, subject: str = "anna", *, path: str = "/console/batches/") -> HttpResponse:
    """Go through the provider's pages as a browser would; what the portal answers in the end."""
    led: Any = client.get(START, {"next": path})
    browser = requests.Session()
    answer = browser.get(led.headers["Location"])
    for form in ({"prompt": "login", "login": subject, "password": "x"}, {"prompt": "consent"}):
        action = re.search(r'action="([^"]+)"', answer.text)
        assert action, answer.text
        answer = browser.post(action[1], data=form, allow_redirects=False)
        while "//testserver/" not in (to := urljoin(answer.url, answer.headers.get("Location", "//testserver/"))):
            answer = browser.get(to, allow_redirects=False)
    return cast("HttpResponse", client.get(answer.headers["Location"].removeprefix("http://testserver")))


def test_nothing_that_could_be_used_again_is_kept_in_the_clear(provider: Provider) -> None:
    anna = with_second_factor(User.objects.create_user("other"))
    client = Client()
    sign_in(client)
    assert may_enter(client)

    kept = [str(list(model.objects.values())) for model in (AuditEntry, SocialAccount)]
    kept += [str(session.get_decoded()) for session in Session.objects.all()]
    assert len(kept) > 2
    assert not [text for text in kept if SECRET in text or "eyJ" in text or "access_token" in text or anna in text]


def test_who_gets_nothing_gets_no_account(provider: Provider) -> None:
    provider.know("bert", groups=["somebody-elses"])

    refused = sign_in(Client(), "bert")

    assert refused.status_code == 403
    assert "You have no account here" in refused.content.decode()
    assert not User.objects.exists()
    assert records("sign_in") == [("refused", "127.0.0.1, OIDC: claims give nothing (bert)")]


@pytest.mark.parametrize("allowed", [False, True])
def test_an_account_with_the_same_address_is_taken_over_only_where_that_is_allowed(settings: Settings, allowed: bool) -> None:
    boss = User.objects.create_superuser("boss", email="anna@example.com", password="a password of theirs")
    settings.SOCIALACCOUNT_EMAIL_AUTHENTICATION = allowed
    client = Client()

    answer = sign_in(client)

    boss.refresh_from_db()
    assert User.objects.count() == 1
    assert may_enter(client) == SocialAccount.objects.filter(user=boss).exists() == allowed
    assert boss.has_usable_password() != allowed
    if allowed:
        assert records("link_account") == [("done", "")]
    else:
        assert "Your e-mail address belongs to another account" in answer.content.decode()


@pytest.mark.parametrize("doubt", ["not verified", "of two accounts"])
def test_an_address_that_proves_nothing_opens_nothing(provider: Provider, settings: Settings, doubt: str) -> None:
    User.objects.create_superuser("boss", email="boss@example.com")
    if doubt == "of two accounts":
        User.objects.create_user("boss-too", email="Boss@example.com")
    settings.SOCIALACCOUNT_EMAIL_AUTHENTICATION = True
    provider.know("anna", groups=["ops"], email="boss@example.com", email_verified=doubt != "not verified")

    assert sign_in(Client()).status_code == 403
    assert not SocialAccount.objects.exists()


def test_a_name_that_is_taken_opens_no_account() -> None:
    User.objects.create_superuser("anna")

    sign_in(Client())

    assert User.objects.count() == 2
    assert not SocialAccount.objects.get().user.is_superuser


def test_the_same_subject_of_another_issuer_is_somebody_else(provider: Provider, settings: Settings) -> None:
    sign_in(Client())
    SocialAccount.objects.update(uid="the digest of another issuer")
    User.objects.update(email="")

    sign_in(Client())

    assert User.objects.count() == 2


def test_a_second_factor_that_the_portal_demands_is_demanded_of_them_unless_the_provider_sees_to_it(settings: Settings) -> None:
    settings.REQUIRE_SECOND_FACTOR = "everybody"
    client = Client()
    sign_in(client)
    assert client.get("/console/batches/").headers["Location"].startswith(SET_UP)
    assert client.get(SET_UP).status_code == 200

    settings.OIDC_SECOND_FACTOR = True
    assert client.get("/console/batches/").status_code == 200


def test_a_second_factor_that_somebody_set_up_is_asked_for_after_the_provider() -> None:
    sign_in(Client())
    secret = with_second_factor(User.objects.get())
    client = Client()

    assert sign_in(client).headers["Location"] == CODE
    assert not may_enter(client)
    assert client.post(CODE, {"code": code_of(secret)}).headers["Location"] == "/console/batches/"
    assert may_enter(client)
    assert records("sign_in")[-1] == ("done", "127.0.0.1, OIDC, code")


def test_who_has_no_password_here_proves_anew_who_they_are_at_the_provider(settings: Settings) -> None:
    client = Client()
    sign_in(client)
    settings.ACCOUNT_REAUTHENTICATION_TIMEOUT = 0

    assert client.get(SET_UP).headers["Location"].startswith(f"{START}?next=")
    assert "You have no password here" in client.get("/console/account/password/").content.decode()


def test_who_is_deactivated_stays_out_and_their_groups_change_nothing(provider: Provider) -> None:
    sign_in(Client())
    User.objects.update(is_active=False)
    provider.know("anna", groups=["ops"])
    client = Client()

    assert sign_in(client).headers["Location"] == "/console/account/inactive/"
    assert not may_enter(client)
    assert not User.objects.get().is_superuser
    assert records("sign_in")[-1] == ("refused", "127.0.0.1, deactivated")


def test_a_provider_that_does_not_answer_or_is_another_one_gets_a_page(provider: Provider, settings: Settings) -> None:
    for elsewhere in (
        f"http://127.0.0.1:{free_port()}",
        f"{provider.url}/.well-known/openid-configuration",
        f"{provider.url}/no",
    ):
        settings.OIDC_ISSUER = elsewhere
        answer = Client().get(START)
        assert answer.status_code == 401
        assert "Signing in failed" in answer.content.decode()


@pytest.mark.parametrize("query", ["?code=x&state=forged", "?error=server_error", "", "?code=x"])
def test_an_answer_that_nobody_asked_for_opens_nothing(query: str) -> None:
    client = Client()

    assert client.get(f"{START}callback/{query}").status_code == 401
    assert not may_enter(client)


@pytest.mark.parametrize("query", ["scope=offline_access", "auth_params=redirect_uri%3Dhttps://evil.example", "process=connect"])
def test_no_link_chooses_what_the_provider_is_asked(query: str) -> None:
    assert Client().get(f"{START}?{query}").status_code == 400


def test_starting_over_and_over_has_to_wait() -> None:
    client = Client()

    assert [client.post(START).status_code for _ in range(21)][-2:] == [302, 429]
