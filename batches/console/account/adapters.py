"""The adapters through which allauth applies the portal's rules: limits and records of sign-ins, messages, encryption."""

import time
from typing import Any

from allauth.account import app_settings
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.authentication import get_authentication_records
from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.adapter import DefaultUserSessionsAdapter
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from batches.console.account import second_factor, session_life
from batches.console.account.address import client_address
from batches.console.account.attempts import may_try, note_failure, note_refusal
from batches.services.people import encryption, people, sessions, sign_in

PROVIDER_ID = "oidc"  # the id of the only OIDC provider, in addresses


class AccountAdapter(DefaultAccountAdapter):
    """Signing in and out, and passwords."""

    error_messages = DefaultAccountAdapter.error_messages | {
        "username_password_mismatch": "The user name or the password is wrong.",
        "too_many_login_attempts": "Too many attempts have failed. Wait a few minutes, then try again.",
        "incorrect_password": "The password is wrong.",
        "incorrect_code": "The code is wrong, or was used already.",
        "enter_current_password": "This is not your password.",
        "rate_limited": "Too many attempts have failed. Wait a minute, then try again.",
    }

    def get_client_ip(self, request: HttpRequest) -> str:
        return client_address(request)

    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002
        """Never: an admin of the portal makes accounts, or a sign-in through OIDC does."""
        return False

    def is_ajax(self, request: HttpRequest) -> bool:  # noqa: ARG002
        """Never: every answer is a page."""
        return False

    # --- Signing in ---

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Refuse an attempt before its password is checked, if passwords are off or too many attempts have failed."""
        name = credentials.get("username", "")
        if not settings.LOCAL_SIGN_IN:
            raise self.validation_error("username_password_mismatch")
        if not may_try(request, name):
            note_refusal(request, name, why="too many attempts")
            raise self.validation_error("too_many_login_attempts")

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        name = credentials.get("username", "")
        note_failure(request, name)
        note_refusal(request, name, why="wrong password")

    def respond_user_inactive(self, request: HttpRequest, user: Any) -> HttpResponse:
        note_refusal(request, user.get_username(), why="deactivated")
        return super().respond_user_inactive(request, user)

    def login(self, request: HttpRequest, user: Any) -> None:
        super().login(request, user)
        session_life.begin(request.session)
        how = [_word(record) for record in get_authentication_records(request, user)]
        address, now = client_address(request), timezone.now()
        sign_in.record_sign_in(user, address=address, how=how, now=now)
        sessions.end_oldest_sessions(user, address=address, now=now)

    def logout(self, request: HttpRequest) -> None:
        assert isinstance(request.user, User)
        key = request.session.session_key or ""
        sign_in.record_sign_out(request.user, address=client_address(request), session_key=key, now=timezone.now())
        super().logout(request)

    # --- Passwords and confirmations ---

    def set_password(self, user: Any, password: str) -> None:
        """Change a person's own password. allauth keeps the session in which it is changed."""
        request = context.request
        key = request.session.session_key or ""
        people.change_password(user, password, address=client_address(request), session_key=key, now=timezone.now())

    def get_reauthentication_methods(self, user: AbstractBaseUser | AnonymousUser) -> list[dict[str, Any]]:
        """The ways to confirm an identity. A person with neither password nor second factor here uses the OIDC provider."""
        methods: list[dict[str, Any]] = super().get_reauthentication_methods(user)
        if methods or not settings.OIDC_ISSUER or not isinstance(user, User):
            return methods
        if SocialAccount.objects.filter(user=user).exists():
            url = reverse("openid_connect_login", kwargs={"provider_id": PROVIDER_ID})
            methods.append({"id": PROVIDER_ID, "description": settings.OIDC_NAME, "url": url})
        return methods

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:  # noqa: ARG002
        """Whether a person must confirm their identity. After a sign-in or a confirmation there is a pause of a few minutes."""
        records = get_authentication_records(context.request, context.request.user)
        return not records or time.time() - records[-1]["at"] > app_settings.REAUTHENTICATION_TIMEOUT


class SecondFactorAdapter(DefaultMFAAdapter):
    """Second factors."""

    error_messages = DefaultMFAAdapter.error_messages | {
        "incorrect_code": AccountAdapter.error_messages["incorrect_code"],
        "cannot_delete_authenticator": "This portal requires a second factor. You can replace yours, but not remove it.",
    }

    def get_totp_label(self, user: Any) -> str:
        """The label that an authenticator app shows beside the code."""
        return f"{user.get_username()}@{context.request.get_host()}"

    def encrypt(self, text: str) -> str:
        return encryption.encrypt(text)

    def decrypt(self, encrypted_text: str) -> str:
        return encryption.decrypt(encrypted_text)

    def can_delete_authenticator(self, authenticator: Authenticator) -> bool:
        return not second_factor.is_demanded_of(authenticator.user)


class SessionsAdapter(DefaultUserSessionsAdapter):
    """A person's own sessions."""

    def end_sessions(self, ended: list[UserSession]) -> None:
        if ended:
            person, why = ended[0].user, f"{client_address(context.request)}, at their own wish"
            sessions.end_sessions(ended, of=person, actor=sign_in.person(person), why=why, now=timezone.now())


def _word(record: dict[str, Any]) -> str:
    """The word by which records name the proof that a person gave."""
    words = {"password": "password", "socialaccount": "OIDC", "totp": "code", "recovery_codes": "recovery code"}
    return words.get(record.get("type") or record["method"], str(record["method"]))
