"""People who sign in: their forms, their codes, their browsers."""

import re
import time
from typing import Any, cast

from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client

LOGIN, CODE = "/console/login/", "/console/login/code/"
ACCOUNT = "/console/account/"
SET_UP = f"{ACCOUNT}second-factor/set-up/"
SESSIONS = f"{ACCOUNT}sessions/"
PASSWORD = "a password of theirs"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def browser(address: str = "192.0.2.1", *, agent: str = FIREFOX) -> Client:
    """Somebody's browser, at an address."""
    return Client(REMOTE_ADDR=address, HTTP_USER_AGENT=agent)


def sign_in(client: Client, name: str = "anna", *, password: str = PASSWORD, **more: Any) -> HttpResponse:
    """Send the form of the sign-in page."""
    return cast("HttpResponse", client.post(LOGIN, {"login": name, "password": password, **more}))


def signs_in(name: str = "anna", *, password: str = PASSWORD, address: str = "192.0.2.1") -> bool:
    """Whether a name and a password open the portal, from an address."""
    return sign_in(browser(address), name, password=password).status_code == 302


def signed_in(name: str = "anna", *, address: str = "192.0.2.1", password: str = PASSWORD) -> Client:
    """A browser in which somebody has signed in by the form."""
    client = browser(address)
    answer = sign_in(client, name, password=password)
    assert answer.status_code == 302, answer.content
    return client


def may_enter(client: Client) -> bool:
    """Whether a browser is signed in."""
    answer = client.get("/console/batches/")
    assert answer.status_code in (200, 302, 403)
    return answer.status_code != 302


def code_of(secret: str, *, later: int = 0) -> str:
    """What an authenticator app shows; of the following period with `later`."""
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30 + later))


def with_second_factor(user: User) -> str:
    """Give somebody a second factor and recovery codes; its secret."""
    secret = generate_totp_secret()
    TOTP.activate(user, secret)
    RecoveryCodes.activate(user)
    return secret


def recovery_codes(user: User) -> list[str]:
    """The codes that somebody has left."""
    codes: list[str] = RecoveryCodes.activate(user).get_unused_codes()
    return codes


def set_up_second_factor(client: Client) -> HttpResponse:
    """Go through the page that sets one up, as an app would."""
    page = client.get(SET_UP).content.decode()
    found = re.search(r'class="secret">([A-Z2-7]+)', page)
    assert found, page
    return cast("HttpResponse", client.post(SET_UP, {"code": code_of(found[1])}))
