"""The demand for a second factor (REQUIRE_SECOND_FACTOR). Until people give one, they reach only the page that sets one up."""

from collections.abc import Callable

from allauth.account.authentication import get_authentication_records
from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import urlencode

from batches.console.kit.live import wants_fragment

PAGES = ("/console/", "/admin/")
# The views that stay open: those for setting a second factor up, for signing in and for signing out.
OPEN = {"mfa_activate_totp", "account_reauthenticate", "account_logout", "account_login", "openid_connect_login"} | {
    "openid_connect_callback"
}
SET_UP_HERE = "second_factor_set_up"


def is_demanded_of(person: User) -> bool:
    """Whether this portal demands a second factor of a person."""
    if settings.REQUIRE_SECOND_FACTOR == "staff":
        return person.is_staff or person.is_superuser
    return settings.REQUIRE_SECOND_FACTOR == "everybody"


def was_shown(request: HttpRequest) -> bool:
    """Whether a second factor was given, or set up, in this very session.

    It is not enough that the person has a second factor: a thief may have opened this session with the password only.
    """
    assert isinstance(request.user, User)
    if request.session.get(SET_UP_HERE):
        return True
    given = {record["method"] for record in get_authentication_records(request, request.user)}
    return "mfa" in given or (settings.OIDC_SECOND_FACTOR and "socialaccount" in given)


class DemandSecondFactor:
    """Middleware: a person without a demanded second factor reaches the page that sets one up, and nothing else.

    Pages of the console and the admin redirect to that page. At any other address, the person counts as not signed in.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, _view: object, _args: object, _kwargs: object) -> HttpResponse | None:
        if settings.REQUIRE_SECOND_FACTOR == "nobody" or settings.SESSION_COOKIE_NAME not in request.COOKIES:
            return None
        if not isinstance(request.user, User) or not is_demanded_of(request.user) or was_shown(request):
            return None
        if request.resolver_match and request.resolver_match.view_name in OPEN:
            return None
        if not request.path_info.startswith(PAGES):
            request.user = AnonymousUser()
            return None
        if wants_fragment(request):
            return render(request, "console/signed_out.html", status=401)
        answer = redirect("mfa_activate_totp")
        if request.method == "GET":
            answer["Location"] += f"?{urlencode({'next': request.get_full_path()})}"
        return answer
