"""Signing in through an OpenID Connect provider: allauth's flow with the portal's rules about accounts and claims."""

from collections.abc import Mapping
from typing import Any, NoReturn
from urllib.parse import urlencode

from allauth.account.adapter import get_adapter as get_account_adapter
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.core.ratelimit import consume_or_429
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.helpers import render_authentication_error
from allauth.socialaccount.models import SocialApp, SocialLogin, SocialToken
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView, OAuth2LoginView
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.contrib.auth.models import AbstractUser, User
from django.core.exceptions import BadRequest
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import salted_hmac
from requests import RequestException

from batches.console.account.adapters import PROVIDER_ID
from batches.console.account.attempts import note_refusal
from batches.services.people import encryption
from batches.services.people.oidc_claims import apply_claims, given_by, record_link, record_new_person

SESSION = "oidc"
NOTHING, TAKEN = "claims give nothing", "address of another account"
ASKED = {"next", "process"}  # parameters of the address that starts a sign-in
BROKEN = (RequestException, OAuth2Error, KeyError, ValueError)  # the provider does not answer, or breaks the standard


class Login(SocialLogin):
    """A sign-in at the provider. `claims` are those about the person; `end` holds the data for ending the provider's session."""

    claims: Mapping[str, Any]
    end: Mapping[str, str]


class Endpoints(OpenIDConnectOAuth2Adapter):
    """The provider's endpoints. The provider's configuration and claims are checked as the standard demands."""

    @property
    def openid_config(self) -> dict[str, Any]:
        found: dict[str, Any] = super().openid_config
        if found.get("issuer", "").rstrip("/") != settings.OIDC_ISSUER:
            raise OAuth2Error("The configuration names another issuer.")
        return found

    def complete_login(self, request: HttpRequest, app: SocialApp, token: SocialToken, **kwargs: Any) -> Login:
        found: SocialLogin = super().complete_login(request, app, token, **kwargs)
        login = Login(found.user, found.account, email_addresses=found.email_addresses, provider=found.provider)
        said = login.account.extra_data
        from_token, from_userinfo = said.get("id_token", {}), said.get("userinfo", {})
        if from_token.get("sub") != from_userinfo.get("sub", from_token.get("sub")):
            raise OAuth2Error("The claims are about another person.")
        login.claims = from_token | from_userinfo
        # The same subject is somebody else at another issuer. No claim is stored.
        login.account.uid = salted_hmac("oidc", f"{settings.OIDC_ISSUER}\0{login.account.uid}", algorithm="sha256").hexdigest()
        login.account.extra_data = {}
        login.end = {
            "address": self.openid_config.get("end_session_endpoint", ""),
            "id_token": encryption.encrypt(kwargs["response"].get("id_token", "")),
        }
        return login


class Provider(OpenIDConnectProvider):
    """The provider, with the checks of `Endpoints`."""

    oauth2_adapter_class = Endpoints


class ClaimsAdapter(DefaultSocialAccountAdapter):
    """The portal's rules for OIDC: people with an account get in; new people get an account if their groups give a role."""

    def list_apps(
        self,
        request: HttpRequest,  # noqa: ARG002
        provider: str | None = None,
        client_id: str | None = None,
    ) -> list[SocialApp]:
        """The one provider that the settings name; none from the database."""
        if not settings.OIDC_ISSUER or provider not in (None, PROVIDER_ID, "openid_connect"):
            return []
        if client_id not in (None, settings.OIDC_CLIENT_ID):
            return []
        how = {"server_url": settings.OIDC_ISSUER, "scope": settings.OIDC_SCOPES, "oauth_pkce_enabled": True}
        app = SocialApp(provider="openid_connect", provider_id=PROVIDER_ID, name=settings.OIDC_NAME, settings=how)
        app.client_id, app.secret = settings.OIDC_CLIENT_ID, settings.OIDC_CLIENT_SECRET
        return [app]

    def get_provider(self, request: HttpRequest, provider: str, client_id: str | None = None) -> Provider:
        """Raises SocialApp.DoesNotExist."""
        return Provider(request, app=self.get_app(request, provider, client_id))

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:  # noqa: ARG002
        """Always: `pre_social_login` has refused the others before."""
        return True

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Apply the claims of a sign-in. Raises ImmediateHttpResponse with a page for a person who is refused."""
        assert isinstance(sociallogin, Login)
        given, now = given_by(groups_in(sociallogin.claims), settings.OIDC_GROUPS), timezone.now()
        if sociallogin.is_existing:
            user = _user(sociallogin)
            if not user.is_active:
                raise ImmediateHttpResponse(get_account_adapter().respond_user_inactive(request, user))
            if sociallogin.account._state.adding:
                record_link(user, now=now)
            apply_claims(user, given, now=now)
        elif not given:
            _refuse(request, sociallogin, why=NOTHING)
        elif _is_taken(sociallogin):
            _refuse(request, sociallogin, why=TAKEN)
        sociallogin.token = None  # else it would be kept in the session while the person gives a second factor
        request.session[SESSION] = sociallogin.end

    def authenticate_by_email(self, sociallogin: SocialLogin) -> tuple[AbstractUser, str] | None:
        """The account with a verified e-mail address of the person, if OIDC_LINK_BY_EMAIL is on and only one account has it."""
        found = super().authenticate_by_email(sociallogin)
        return found if found and User.objects.filter(email__iexact=found[1]).count() == 1 else None

    def save_user(self, request: HttpRequest, sociallogin: SocialLogin, form: Any = None) -> User:
        """Make an account for a new person."""
        assert isinstance(sociallogin, Login)
        now = timezone.now()
        with transaction.atomic():
            user: User = super().save_user(request, sociallogin, form)
            record_new_person(user, now=now)
            apply_claims(user, given_by(groups_in(sociallogin.claims), settings.OIDC_GROUPS), now=now)
        return user

    def on_authentication_error(self, request: HttpRequest, *_: Any, **said: Any) -> None:
        """Record a sign-in that failed at the provider. Its answer may hold secrets, so only the kind of error is recorded."""
        note_refusal(request, "", why=f"OIDC: {type(said['exception']).__name__ if said.get('exception') else said.get('error')}")


def groups_in(claims: Mapping[str, Any]) -> set[str]:
    """The groups in the claim that OIDC_GROUPS_CLAIM names: a claim of exactly this name, else a path into nested claims."""
    found: Any = claims.get(settings.OIDC_GROUPS_CLAIM)
    if found is None:
        found = claims
        for step in settings.OIDC_GROUPS_CLAIM.split("."):
            found = found.get(step) if isinstance(found, Mapping) else None
    if isinstance(found, str):
        return {found}
    return {group for group in found if isinstance(group, str)} if isinstance(found, list) else set()


def start(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Redirect to the provider. Unexpected parameters are refused: allauth would pass them on, and a link must not set them."""
    if set(request.GET) - ASKED or request.GET.get("process", "login") != "login":
        raise BadRequest("This address takes no other parameter than 'next'.")
    return consume_or_429(request, action="oidc") or _run(OAuth2LoginView, request, provider_id)


def callback(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Take the answer of the provider, which redirects back to this address."""
    return _run(OAuth2CallbackView, request, provider_id)


def end_session_address(request: HttpRequest) -> str:
    """The address that ends the session at the provider; empty if there is no such session or address."""
    kept = request.session.get(SESSION) or {}
    if not kept.get("address"):
        return ""
    asked = {
        "client_id": settings.OIDC_CLIENT_ID,
        "id_token_hint": encryption.decrypt(kept["id_token"]),
        "post_logout_redirect_uri": request.build_absolute_uri(reverse("account_login")),
    }
    return f"{kept['address']}{'&' if '?' in kept['address'] else '?'}{urlencode(asked)}"


def _run(view: Any, request: HttpRequest, provider_id: str) -> HttpResponse:
    endpoints = Endpoints(request, provider_id)
    try:
        answer: HttpResponse = view.adapter_view(endpoints)(request)
    except SocialApp.DoesNotExist:
        raise Http404 from None
    except BROKEN as error:
        answer = render_authentication_error(request, endpoints.get_provider(), exception=error)  # type: ignore[no-untyped-call]
    return answer


def _user(login: SocialLogin) -> User:
    """The account of a sign-in; for a new person, the account that would be made."""
    assert isinstance(login.user, User)
    return login.user


def _is_taken(login: SocialLogin) -> bool:
    address = _user(login).email
    return bool(address) and User.objects.filter(email__iexact=address).exists()


def _refuse(request: HttpRequest, login: SocialLogin, *, why: str) -> NoReturn:
    name = _user(login).get_username() or _user(login).email
    note_refusal(request, name, why=f"OIDC: {why} ({name})")
    page = render(request, "socialaccount/refused.html", {"name": name, "taken": why == TAKEN}, status=403)
    raise ImmediateHttpResponse(page)
