"""The sign-in pages and the account pages: allauth's views with the portal's records and messages."""

from typing import Any

from allauth.account.utils import passthrough_next_redirect_url
from allauth.account.views import LoginView, LogoutView, PasswordChangeView
from allauth.mfa.base.views import AuthenticateView, IndexView
from allauth.mfa.recovery_codes.views import GenerateRecoveryCodesView
from allauth.mfa.totp.views import ActivateTOTPView, DeactivateTOTPView
from allauth.usersessions.views import ListUserSessionsView
from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.generic import RedirectView, TemplateView

from batches.console.account.adapters import PROVIDER_ID
from batches.console.account.address import client_address
from batches.console.account.attempts import note_refusal
from batches.console.account.devices import device
from batches.console.account.oidc import end_session_address
from batches.console.account.second_factor import SET_UP_HERE, is_demanded_of
from batches.services.people import second_factor


class SignIn(LoginView):
    """Sign in with a name and a password, or at the OIDC provider. A person who is signed in is redirected."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not settings.LOCAL_SIGN_IN:
            raise PermissionDenied
        answer: HttpResponse = super().post(request, *args, **kwargs)
        return answer

    def form_invalid(self, form: Form) -> HttpResponse:
        answer: HttpResponse = super().form_invalid(form)
        if form.has_error("__all__", code="too_many_login_attempts"):
            answer.status_code = 429
            answer["Retry-After"] = str(settings.SIGN_IN_SECONDS // settings.SIGN_IN_ATTEMPTS)
        return answer

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        about: dict[str, Any] = {"local": settings.LOCAL_SIGN_IN}
        if settings.OIDC_ISSUER:
            url = reverse("openid_connect_login", kwargs={"provider_id": PROVIDER_ID})
            about |= {
                "oidc": settings.OIDC_NAME,
                "oidc_url": passthrough_next_redirect_url(self.request, url, self.redirect_field_name),
            }
        return super().get_context_data(**kwargs, **about)


class GiveCode(AuthenticateView):
    """Give the code of a second factor, after the password."""

    def form_invalid(self, form: Form) -> HttpResponse:
        note_refusal(self.request, self.stage.login.user.get_username(), why="wrong code")
        return super().form_invalid(form)


class SignOut(LogoutView):
    """Sign out of the portal, and of the OIDC provider if it has an address for that."""

    def post(self, *args: Any, **kwargs: Any) -> HttpResponse:
        elsewhere = end_session_address(self.request)
        answer = super().post(*args, **kwargs)
        # The answer is a page with a link: form-action 'self' forbids that the answer to a form redirects to another host.
        return render(self.request, "account/signed_out.html", {"elsewhere": elsewhere}) if elsewhere else answer


class Account(RedirectView):
    """The account's first page."""

    pattern_name = "mfa_index"


class ChangePassword(PasswordChangeView):
    """Change a person's own password. A page explains it if the person has none, or may not sign in with one."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if isinstance(request.user, User) and not (settings.LOCAL_SIGN_IN and request.user.has_usable_password()):
            return render(request, "account/no_password.html")
        answer: HttpResponseBase = super().dispatch(request, *args, **kwargs)
        return answer


class SecondFactor(IndexView):
    """A person's second factor and recovery codes."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs, demanded=is_demanded_of(_person(self.request)))


class SetUpSecondFactor(ActivateTOTPView):
    """Set up a second factor: scan a picture with an app, and type the app's code."""

    def form_valid(self, form: Form) -> HttpResponse:
        answer = super().form_valid(form)
        self.request.session[SET_UP_HERE] = True
        key = self.request.session.session_key or ""
        second_factor.record_set_up(
            _person(self.request), address=client_address(self.request), session_key=key, now=timezone.now()
        )
        return answer

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs, demanded=is_demanded_of(_person(self.request)))


class RemoveSecondFactor(DeactivateTOTPView):
    """Remove the second factor, unless the portal demands one."""

    def form_valid(self, form: Form) -> HttpResponse:
        answer = super().form_valid(form)
        second_factor.record_removal(_person(self.request), address=client_address(self.request), now=timezone.now())
        return answer


class NewRecoveryCodes(GenerateRecoveryCodesView):
    """Make ten new recovery codes, which replace the old ones."""

    def form_valid(self, form: Form) -> HttpResponse:
        answer = super().form_valid(form)
        second_factor.record_new_codes(_person(self.request), address=client_address(self.request), now=timezone.now())
        return answer


class Sessions(ListUserSessionsView):
    """A person's sessions. All sessions but the current one can be ended."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)
        found = sorted(context["sessions"], key=lambda session: session.last_seen_at, reverse=True)
        rows = [(device(session.user_agent), session, session.is_current()) for session in found]
        limits = {"longest": _duration(settings.SESSION_SECONDS), "idle": _duration(settings.SESSION_IDLE_SECONDS)}
        return context | {"rows": sorted(rows, key=lambda row: not row[2])} | limits


class Inactive(TemplateView):
    """The page for people whose account is deactivated."""

    template_name = "account/account_inactive.html"


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


def _duration(seconds: int) -> str:
    return f"{seconds / 3600:.3g} h" if seconds >= 3600 else f"{seconds / 60:.3g} min"
