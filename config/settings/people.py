"""Settings for people: signing in (through django-allauth), sessions, and rights."""

from typing import Any

from django.core.exceptions import ImproperlyConfigured

from config.knobs import flag, groups, knob, names, secret, secure_url, whole, word
from config.settings.storage import EMBEDDED, REDIS_URL

# --- Passwords ---------------------------------------------------------------------------------------------------------

LOCAL_SIGN_IN = knob("LOCAL_SIGN_IN", flag, True)  # whether people may sign in with a user name and a password
PASSWORD_HASHERS = [
    "config.backends.hashers.Argon2id",
    "config.backends.hashers.PBKDF2",  # older hashes; each becomes argon2id when its owner signs in
]
HASHES_AT_ONCE = 2  # in one process; a hash takes 12 MiB, and a core for about 20 ms
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

# --- Limits for attempts to sign in --------------------------------------------------------------------------------------

SIGN_IN_ATTEMPTS = knob("SIGN_IN_ATTEMPTS", whole(1), 10)  # failures under one name from one address, in SIGN_IN_SECONDS
SIGN_IN_SECONDS = knob("SIGN_IN_SECONDS", whole(1), 900)


def sign_in_rates(attempts: int, seconds: int) -> dict[str, str]:
    """The limits of failed sign-ins, and of audit entries about them, in allauth's format of rates. Each is a sliding window."""
    within = f"{seconds}s"
    return {
        "login": "",  # sign-ins that succeed are not counted
        "login_failed": f"{attempts}/{within}/key",  # wrong codes of one person
        "sign_in_pair": f"{attempts}/{within}/key",  # one name from one address
        "sign_in_address": f"{5 * attempts}/{within}/ip",
        "sign_in_name": f"{10 * attempts}/{within}/key",
        "sign_in_total": f"{100 * attempts}/{within}/key",
        "refusal_pair": f"3/{within}/key",  # records in the audit table
        "refusal_address": f"10/{within}/ip",
        "refusal_total": f"100/{within}/key",
        "oidc": "20/m/ip",  # each start asks the provider for its configuration
    }


ACCOUNT_RATE_LIMITS = sign_in_rates(SIGN_IN_ATTEMPTS, SIGN_IN_SECONDS)
SIGN_IN_AT_ONCE = 1  # requests for sign-in pages that one process runs at once; it must have time for other requests
SIGN_IN_WAITING = 8  # requests for sign-in pages that have a thread in one process; further ones are refused
SIGN_IN_PAUSE_SECONDS = 1.0  # a failed sign-in is answered so long after its beginning; up to eight times as long if many fail

# The cache holds the counts of attempts and the used codes. All processes of the portal share it; the embedded portal is one
# process.
CACHES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "OPTIONS": {"MAX_ENTRIES": 20_000}}
    if EMBEDDED
    else {"BACKEND": "config.backends.cache.SharedCache", "LOCATION": REDIS_URL, "KEY_PREFIX": "batchyard"}
}

# --- Sessions and the second factor ------------------------------------------------------------------------------------

SESSION_SECONDS = knob("SESSION_SECONDS", whole(60), 12 * 3600)  # the longest time after signing in
SESSION_IDLE_SECONDS = knob("SESSION_IDLE_SECONDS", whole(60), 2 * 3600)  # the longest time without use by the person
SESSION_COOKIE_AGE = SESSION_SECONDS
REQUIRE_SECOND_FACTOR = knob("REQUIRE_SECOND_FACTOR", word("nobody", "staff", "everybody"), "nobody")
MFA_ADAPTER = "batches.console.account.adapters.SecondFactorAdapter"
MFA_TOTP_ISSUER = "Batchyard"
MFA_TOTP_TOLERANCE = 1  # the clock of a person's device may be wrong by half a minute
MFA_ALLOW_UNVERIFIED_EMAIL = True  # the portal verifies no address

# --- OpenID Connect ----------------------------------------------------------------------------------------------------

OIDC_ISSUER = knob("OIDC_ISSUER", secure_url, "")
OIDC_CLIENT_ID = knob("OIDC_CLIENT_ID", str, "")
OIDC_CLIENT_SECRET = secret("OIDC_CLIENT_SECRET")
OIDC_NAME = knob("OIDC_NAME", str, "single sign-on")  # the text of the button
OIDC_SCOPES = knob("OIDC_SCOPES", names, ["openid", "profile", "email"])
OIDC_GROUPS_CLAIM = knob("OIDC_GROUPS_CLAIM", str, "groups")  # a dot leads into an object: `a.b` is the field `b` of claim `a`
# The roles that each group gives.
OIDC_GROUPS: dict[str, list[str]] = knob("OIDC_GROUPS", groups("viewer", "operator", "admin"), {})
OIDC_LINK_BY_EMAIL = knob("OIDC_LINK_BY_EMAIL", flag, False)  # whether a verified address signs in to the account that has it
OIDC_SECOND_FACTOR = knob("OIDC_SECOND_FACTOR", flag, False)  # whether the OpenID provider asks for a second factor
if OIDC_ISSUER and not OIDC_CLIENT_ID:
    raise ImproperlyConfigured("OIDC_ISSUER is set but OIDC_CLIENT_ID is not.")
if not OIDC_ISSUER and not LOCAL_SIGN_IN:
    raise ImproperlyConfigured("LOCAL_SIGN_IN is off and OIDC_ISSUER is not set: nobody could sign in.")

# --- django-allauth ----------------------------------------------------------------------------------------------------

LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "console:overview"
LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_ADAPTER = "batches.console.account.adapters.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_UNIQUE_EMAIL = False  # the portal makes no decision by an e-mail address
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_REAUTHENTICATION_METHODS = ["password", "mfa"] if LOCAL_SIGN_IN else ["mfa"]
USERSESSIONS_ADAPTER = "batches.console.account.adapters.SessionsAdapter"
SOCIALACCOUNT_ADAPTER = "batches.console.account.oidc.ClaimsAdapter"
SOCIALACCOUNT_LOGIN_ON_GET = True  # a form may not lead to another host, since form-action is 'self'
SOCIALACCOUNT_EMAIL_AUTHENTICATION = OIDC_LINK_BY_EMAIL
SOCIALACCOUNT_EMAIL_AUTHENTICATION_AUTO_CONNECT = True

# --- Rights of people --------------------------------------------------------------------------------------------------

BODIES_ROLE = knob("BODIES_ROLE", word("viewer", "operator", "admin"), "viewer")  # the lowest role that may read bodies
AUDIT_BODY_VIEWS = knob("AUDIT_BODY_VIEWS", flag, False)  # whether reading a request or an answer leaves an audit entry

BULK_OPERATION_MAX_BATCHES = knob("BULK_OPERATION_MAX_BATCHES", whole(1), 50_000)  # the most batches of one bulk operation
BULK_OPERATION_TYPED_ABOVE = knob("BULK_OPERATION_TYPED_ABOVE", whole(0), 100)  # for more batches, the person types their number
