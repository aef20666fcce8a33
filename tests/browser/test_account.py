"""The pages of signing in and of one's account: readable, of the window's width, without findings of axe, without a script."""

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser, Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from tests.browser.eyes import findings
from tests.security.sign_in.people import PASSWORD, code_of, recovery_codes, with_second_factor
from tests.waiting import PATIENCE

pytestmark = pytest.mark.once

ACCOUNT = "/console/account"
SIGNED_OUT = ["/console/login/", "/console/login/?next=/console/bulk/", "/console/login/cancelled/", f"{ACCOUNT}/inactive/"]
SIGNED_OUT += ["/console/login/oidc/callback/?state=x"]
OF_ONE = ["/console/logout/", f"{ACCOUNT}/password/", f"{ACCOUNT}/sessions/", f"{ACCOUNT}/second-factor/"]
WITHOUT = [f"{ACCOUNT}/second-factor/set-up/"]
WITH = [f"{ACCOUNT}/second-factor/{path}" for path in ("recovery-codes/", "recovery-codes/new/", "remove/")]
WITH += [f"{ACCOUNT}/confirm/", f"{ACCOUNT}/confirm/code/"]


@pytest.fixture(autouse=True)
def anna(transactional_db: None) -> User:
    return User.objects.create_superuser("anna", password=PASSWORD)


@pytest.fixture(autouse=True)
def both_ways(settings: Settings) -> None:
    settings.OIDC_ISSUER, settings.OIDC_CLIENT_ID, settings.OIDC_NAME = "https://id.example", "portal", "Example ID"


@pytest.fixture
def plain(browser: Browser) -> Iterator[Page]:
    """A window in which no script runs."""
    context = browser.new_context(java_script_enabled=False, viewport={"width": 390, "height": 800})
    context.set_default_timeout(PATIENCE * 1000)
    yield context.new_page()
    context.close()


def sign_in(page: Page, portal: LiveServer, *, path: str = f"{ACCOUNT}/") -> None:
    page.goto(portal.url + path)
    page.get_by_label("User name").fill("anna")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def test_every_page_can_be_read_and_is_no_wider_than_its_window(page: Page, live_server: LiveServer, anna: User) -> None:
    url = live_server.url
    assert findings(page, [url + path for path in SIGNED_OUT]) == []
    sign_in(page, live_server)
    assert findings(page, [url + path for path in (*OF_ONE, *WITHOUT)]) == []
    with_second_factor(anna)
    assert findings(page, [url + path for path in WITH]) == []


def test_without_scripts_one_sets_up_a_second_factor_signs_in_with_it_and_changes_ones_password(
    plain: Page, live_server: LiveServer, anna: User, settings: Settings
) -> None:
    settings.REQUIRE_SECOND_FACTOR = "everybody"
    sign_in(plain, live_server, path="/admin/")
    expect(plain.get_by_role("heading", name="Set up a second factor")).to_be_visible()
    secret = plain.locator(".secret").inner_text()
    plain.get_by_label("Type the code").fill(code_of(secret))
    plain.get_by_role("button", name="Set up the second factor").click()
    expect(plain.locator(".codes li")).to_have_count(10)
    expect(plain.get_by_role("status")).to_contain_text("Your second factor is set up.")
    plain.get_by_role("link", name="I have saved them").click()
    plain.get_by_role("button", name="Sign out").click()

    sign_in(plain, live_server, path="/admin/")
    plain.get_by_label("Code").fill("123")
    plain.get_by_role("button", name="Sign in").click()
    expect(plain.get_by_role("alert")).to_contain_text("The code is wrong")
    plain.get_by_label("Code").fill(recovery_codes(anna)[0])
    plain.get_by_role("button", name="Sign in").click()
    plain.wait_for_url("**/admin/")

    plain.get_by_role("link", name="Your account").click()
    plain.get_by_role("link", name="Password", exact=True).click()
    plain.get_by_label("Present password").fill(PASSWORD)
    for label in ("New password", "New password, once more"):
        plain.get_by_label(label, exact=True).fill("another one of theirs")
    plain.get_by_role("button", name="Change the password").click()
    expect(plain.get_by_role("status")).to_contain_text("Your password is changed.")
    plain.get_by_role("link", name="Sessions").click()
    expect(plain.locator(".rows tbody tr")).to_have_count(1)


def test_the_picture_is_a_qr_code_that_an_app_reads(page: Page, live_server: LiveServer) -> None:
    sign_in(page, live_server, path=f"{ACCOUNT}/second-factor/set-up/")
    picture = page.get_by_role("img", name="QR code of your secret")
    page.emulate_media(color_scheme="dark")

    assert picture.evaluate("image => image.complete && image.naturalWidth > 0")
    expect(page.locator(".qr")).to_have_css("background-color", "rgb(255, 255, 255)")
