"""The addresses of the sign-in pages and the account pages. allauth's other pages do not exist here.

allauth looks the addresses up by these names. No browser and no proxy may store an answer.
"""

from collections.abc import Callable

from allauth.account.views import reauthenticate
from allauth.mfa.base.views import reauthenticate as reauthenticate_by_code
from allauth.mfa.recovery_codes.views import download_recovery_codes, view_recovery_codes
from allauth.socialaccount.views import login_cancelled
from django.http.response import HttpResponseBase
from django.urls import URLPattern
from django.urls import path as plain_path
from django.views.decorators.cache import cache_control

from batches.console.account import oidc, views


def path(route: str, view: Callable[..., HttpResponseBase], name: str) -> URLPattern:
    """A route to a view whose answers are `private, no-store`."""
    return plain_path(route, cache_control(private=True, no_store=True)(view), name=name)


urlpatterns = [
    path("login/", views.SignIn.as_view(), name="account_login"),
    path("login/code/", views.GiveCode.as_view(), name="mfa_authenticate"),
    path("login/cancelled/", login_cancelled, name="socialaccount_login_cancelled"),
    path("login/<slug:provider_id>/", oidc.start, name="openid_connect_login"),
    path("login/<slug:provider_id>/callback/", oidc.callback, name="openid_connect_callback"),
    path("logout/", views.SignOut.as_view(), name="account_logout"),
    path("account/", views.Account.as_view(), name="account"),
    path("account/inactive/", views.Inactive.as_view(), name="account_inactive"),
    path("account/confirm/", reauthenticate, name="account_reauthenticate"),
    path("account/confirm/code/", reauthenticate_by_code, name="mfa_reauthenticate"),
    path("account/password/", views.ChangePassword.as_view(), name="account_change_password"),
    path("account/second-factor/", views.SecondFactor.as_view(), name="mfa_index"),
    path("account/second-factor/set-up/", views.SetUpSecondFactor.as_view(), name="mfa_activate_totp"),
    path("account/second-factor/remove/", views.RemoveSecondFactor.as_view(), name="mfa_deactivate_totp"),
    path("account/second-factor/recovery-codes/", view_recovery_codes, name="mfa_view_recovery_codes"),
    path("account/second-factor/recovery-codes/new/", views.NewRecoveryCodes.as_view(), name="mfa_generate_recovery_codes"),
    path("account/second-factor/recovery-codes/download/", download_recovery_codes, name="mfa_download_recovery_codes"),
    path("account/sessions/", views.Sessions.as_view(), name="usersessions_list"),
]
