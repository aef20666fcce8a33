"""Settings of HTTP: addresses, limits for clients, TLS, and Django's web part."""

import socket
from pathlib import Path
from urllib.parse import urlsplit

from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from config.knobs import flag, gone, is_loopback, knob, names, origin, seconds, whole
from config.settings.storage import BASE_DIR, DATA_DIR, EMBEDDED, FILE_UPLOAD_FOLDER

HOST = knob("HOST", str, "127.0.0.1")
PORT = knob("PORT", whole(1, 65535), 8000)
MAX_CONNECTIONS = knob("MAX_CONNECTIONS", whole(1), 2048)  # connections of one web process
MAX_CONNECTIONS_PER_ADDRESS = knob("MAX_CONNECTIONS_PER_ADDRESS", whole(1), 256)  # of one client address, in one web process
MAX_SLOW_CLIENTS = knob("MAX_SLOW_CLIENTS", whole(1), 256)  # threads of one web process that wait for known clients
CLIENT_HEAD_SECONDS = knob("CLIENT_HEAD_SECONDS", seconds, 10.0)  # the longest time for the head of a request
CLIENT_BODY_SECONDS = knob("CLIENT_BODY_SECONDS", seconds, 3600.0)  # the longest time for the body of a request
CLIENT_BYTES_PER_SECOND = knob("CLIENT_BYTES_PER_SECOND", whole(1), 1024)  # the least pace of a client that sends or reads
CLIENT_PACE_SECONDS = knob("CLIENT_PACE_SECONDS", seconds, 10.0)  # the interval over which the pace is measured
KEEP_ALIVE_SECONDS = knob("KEEP_ALIVE_SECONDS", whole(1), 30)  # the longest wait of a connection for its next request
DRAIN_SECONDS = knob("DRAIN_SECONDS", whole(0, 600), 0 if EMBEDDED else 3)  # goes on serving after SIGTERM, but is not ready
WEB_STOP_SECONDS = knob("WEB_STOP_SECONDS", whole(1, 3600), 20)  # then requests in progress have so long to end

# --- Behind TLS: one knob --------------------------------------------------------------------------------------------------

PUBLIC_URL = knob("PUBLIC_URL", origin, "")  # the address at which people and clients reach the portal, through any proxy
_public = urlsplit(PUBLIC_URL)
_https = _public.scheme == "https"
_local = is_loopback(HOST) and is_loopback(_public.hostname or "localhost")
gone("HTTPS_ONLY_COOKIES", instead="PUBLIC_URL=https://NAME says it.")
gone("CSRF_TRUSTED_ORIGINS", instead="PUBLIC_URL, such as https://batch.example, is the origin that is trusted.")
TRUST_PROXY = knob("TRUST_PROXY", flag, _https)  # whether to believe the X-Forwarded headers of a proxy in front
if _https and not TRUST_PROXY:
    raise ImproperlyConfigured("TRUST_PROXY=no contradicts PUBLIC_URL: only a proxy in front speaks https.")
if TRUST_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    USE_X_FORWARDED_HOST = True

# The host names that requests may use. Without a list or PUBLIC_URL, these are names that lead to this machine without DNS.
_own_names = ["127.0.0.1", "localhost", "[::1]", socket.gethostname().lower()]
_own_names += [f"[{HOST}]" if ":" in HOST else HOST] if HOST not in {"0.0.0.0", "::"} else []  # noqa: S104 - only a comparison
_listed = knob("ALLOWED_HOSTS", names, [] if PUBLIC_URL else _own_names)
ALLOWED_HOSTS = [
    *([f"[{_public.hostname}]" if ":" in _public.hostname else _public.hostname] if _public.hostname else []),
    *_listed,
]
if "*" in ALLOWED_HOSTS and not _local:
    raise ImproperlyConfigured("ALLOWED_HOSTS must not be * where others reach the portal: set PUBLIC_URL, or list the names.")
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL] if PUBLIC_URL else []

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _https
if _https:  # a browser accepts cookies with these names only from this very host, and only over HTTPS
    SESSION_COOKIE_NAME = "__Host-sessionid"
    CSRF_COOKIE_NAME = "__Host-csrftoken"
SECURE_SSL_REDIRECT = _https  # for pages; requests with a credential are refused (config.answers.https)
SECURE_SSL_HOST = _public.netloc
SECURE_HSTS_SECONDS = knob("HSTS_SECONDS", whole(0), 365 * 86400) if _https else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = knob("HSTS_SUBDOMAINS", flag, False)
SECURE_HSTS_PRELOAD = knob("HSTS_PRELOAD", flag, False)
if SECURE_HSTS_PRELOAD and not SECURE_HSTS_INCLUDE_SUBDOMAINS:
    raise ImproperlyConfigured("HSTS_PRELOAD needs HSTS_SUBDOMAINS: browsers list whole domains.")
SILENCED_SYSTEM_CHECKS = [
    "security.W005",  # HSTS for every subdomain locks out neighbours of the portal without TLS; HSTS_SUBDOMAINS switches it on
    "security.W021",  # browsers' lists are for whole domains, and hard to leave; HSTS_PRELOAD switches it on
]

DEBUG = knob("DEBUG", flag, False)
if DEBUG and not (_local and not TRUST_PROXY):
    raise ImproperlyConfigured("DEBUG shows the inside of the portal to whoever asks: it needs HOST=127.0.0.1 and no proxy.")
DEFAULT_EXCEPTION_REPORTER = "config.answers.debug.Reporter"
DEFAULT_EXCEPTION_REPORTER_FILTER = "config.answers.debug.Filter"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.usersessions",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "providers",
    "batches",
]
MIDDLEWARE = [
    "config.answers.health.Probes",
    "config.answers.metrics.Metrics",
    "config.answers.caching.PrivateAnswers",
    "config.answers.compression.CompressPages",
    "batches.dialects.middleware.DialectErrors",
    "config.answers.https.RefuseCleartext",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "batches.console.account.waiting_room.WaitingRoom",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "batches.console.kit.large_forms.RefuseLargeForms",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "batches.console.account.session_life.EndSessions",
    "batches.console.kit.time_zone.readers_zone",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "batches.console.account.second_factor.DemandSecondFactor",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
APPEND_SLASH = False  # a redirect turns an SDK's POST into a GET
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = knob("STATIC_ROOT", Path, None) or DATA_DIR / "static"  # `collectstatic` writes it, and the web server reads it
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}
LANGUAGE_CODE = "en-gb"
FORMAT_MODULE_PATH = ["config.formats"]
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.TemporaryFileUploadHandler"]
FILE_UPLOAD_TEMP_DIR = DATA_DIR / FILE_UPLOAD_FOLDER  # on the same disk as MEDIA_ROOT: storing an upload is a rename
FILE_UPLOAD_TEMP_DIR.mkdir(exist_ok=True)
REST_FRAMEWORK = {"UNAUTHENTICATED_USER": None, "DEFAULT_SCHEMA_CLASS": "batches.api.openapi.schema.NativeSchema"}
SPECTACULAR_SETTINGS = {
    "TITLE": "Batchyard",
    "DESCRIPTION": "Submit batches of API calls, watch them, read what came of them; every batch, through whatever dialect.",
    "VERSION": "1",
    "PREPROCESSING_HOOKS": ["batches.api.openapi.schema.only_native"],
    "POSTPROCESSING_HOOKS": ["batches.api.openapi.schema.with_errors"],
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SORT_OPERATION_PARAMETERS": False,  # the order of declaration, in which the most important parameters come first
}
