"""How the portal is reached over HTTP, and by whom."""

from csp.constants import NONE, SELF

from config.knobs import flag, knob, names, whole
from config.settings.storage import BASE_DIR, DATA_DIR

DEBUG = knob("DEBUG", flag, False)
HOST = knob("HOST", str, "127.0.0.1")
PORT = knob("PORT", whole(1, 65535), 8000)
ALLOWED_HOSTS = knob("ALLOWED_HOSTS", names, ["*"] if HOST != "127.0.0.1" else ["127.0.0.1", "localhost", "[::1]", "testserver"])
CSRF_TRUSTED_ORIGINS: list[str] = knob("CSRF_TRUSTED_ORIGINS", names, [])
TRUST_PROXY = knob("TRUST_PROXY", flag, False)
if TRUST_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    USE_X_FORWARDED_HOST = True
_HTTPS = knob("HTTPS_ONLY_COOKIES", flag, False)
SESSION_COOKIE_SECURE = _HTTPS
CSRF_COOKIE_SECURE = _HTTPS

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
    "batches.dialects.base.middleware.DialectErrors",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "batches.console.account.waiting_room.WaitingRoom",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "batches.console.large_forms.RefuseLargeForms",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "batches.console.account.session_life.EndSessions",
    "batches.console.zone.readers_zone",
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
STATIC_ROOT = DATA_DIR / "static"
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
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.TemporaryFileUploadHandler"]
FILE_UPLOAD_TEMP_DIR = DATA_DIR / "incoming"  # on the same disk as MEDIA_ROOT: storing an upload is a rename
FILE_UPLOAD_TEMP_DIR.mkdir(exist_ok=True)
REST_FRAMEWORK = {"UNAUTHENTICATED_USER": None, "DEFAULT_SCHEMA_CLASS": "batches.api.schema.NativeSchema"}
SPECTACULAR_SETTINGS = {
    "TITLE": "Batchyard",
    "DESCRIPTION": "Submit batches of API calls, watch them, read what came of them; every batch, through whatever dialect.",
    "VERSION": "1",
    "PREPROCESSING_HOOKS": ["batches.api.schema.only_native"],
    "POSTPROCESSING_HOOKS": ["batches.api.schema.with_errors"],
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SORT_OPERATION_PARAMETERS": False,  # as they are declared: what matters most comes first
}
