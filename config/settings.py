"""Every setting of Batchyard, each read from the environment. A bad value is refused by name.

Two ways to run, decided by what the environment names:

* embedded (neither DATABASE_URL nor REDIS_URL): SQLite, an in-memory broker, one process;
* grown-up (both): PostgreSQL and Redis, as many processes and machines as wanted.
"""

import contextlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import environ
from cryptography.fernet import Fernet
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from config.knobs import flag, knob, names, seconds, whole, word

BASE_DIR = Path(__file__).resolve().parent.parent


def kept_secret(name: str, make: Callable[[], str]) -> str:
    """A secret from the environment, else one that is generated once and kept in the data folder."""
    if raw := os.environ.get(name, "").strip():
        return raw
    path = DATA_DIR / name.lower()
    if not path.exists():
        fresh = path.with_suffix(f".{os.getpid()}")
        fresh.touch(mode=0o600)
        fresh.write_text(make())
        with contextlib.suppress(FileExistsError):
            os.link(fresh, path)  # whoever is first wins, also between two processes
        fresh.unlink()
    return path.read_text().strip()


# --- Where things are kept ---------------------------------------------------------------------------------

DATA_DIR = knob("BATCHYARD_DATA", Path, BASE_DIR / ".data").resolve()
DATA_DIR.mkdir(parents=True, exist_ok=True, mode=0o700)

DATABASE_URL = os.environ.get("DATABASE_URL", "").strip()
REDIS_URL = os.environ.get("REDIS_URL", "").strip()
if bool(DATABASE_URL) != bool(REDIS_URL):
    present, missing = ("DATABASE_URL", "REDIS_URL") if DATABASE_URL else ("REDIS_URL", "DATABASE_URL")
    raise ImproperlyConfigured(f"{present} is set but {missing} is not: set both (PostgreSQL and Redis) or neither (embedded).")
EMBEDDED = not DATABASE_URL

if EMBEDDED:
    _database: dict[str, Any] = {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": DATA_DIR / "batchyard.sqlite3",
        "CONN_MAX_AGE": None,
        "OPTIONS": {
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            "init_command": (
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA mmap_size=134217728;"
                "PRAGMA journal_size_limit=67108864; PRAGMA cache_size=-20000;"
            ),
        },
        "TEST": {"NAME": DATA_DIR / "test.sqlite3"},
    }
else:
    _database = dict(environ.Env.db_url_config(DATABASE_URL))
    if _database.get("ENGINE") != "django.db.backends.postgresql":
        raise ImproperlyConfigured("DATABASE_URL must name a PostgreSQL database: postgres://user:password@host:port/name")
    _database["ENGINE"] = "config.postgresql"
    _database["CONN_MAX_AGE"] = None
    _database["CONN_HEALTH_CHECKS"] = True
    # A server that vanished without a word is noticed within half a minute, by whoever waits for it and by idle connections.
    _lost_server = {"connect_timeout": 10, "tcp_user_timeout": 30_000, "keepalives_idle": 15, "keepalives_interval": 5}
    _database["OPTIONS"] = {**_lost_server, **_database.get("OPTIONS", {})}
DATABASES = {"default": _database}
WEB_DATABASE_CONNECTIONS = knob("WEB_DATABASE_CONNECTIONS", whole(1), 48)  # PostgreSQL: of one web server, all processes
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

S3_BUCKET = os.environ.get("S3_BUCKET", "").strip()
MEDIA_ROOT = DATA_DIR / "files"
if S3_BUCKET:
    from config import s3

    _file_storage: dict[str, Any] = {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": s3.options(bucket=S3_BUCKET, endpoint_url=os.environ.get("S3_ENDPOINT_URL") or None),
    }
else:
    _file_storage = {"BACKEND": "django.core.files.storage.FileSystemStorage"}
STORAGES: dict[str, dict[str, Any]] = {
    "default": _file_storage,
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

# --- Secrets -----------------------------------------------------------------------------------------------

SECRET_KEY = kept_secret("SECRET_KEY", lambda: secrets.token_urlsafe(48))
# Comma-separated; the first encrypts, all decrypt: to rotate, put the new one in front.
CREDENTIAL_KEYS = names(kept_secret("CREDENTIAL_KEYS", lambda: Fernet.generate_key().decode()))
for _key in CREDENTIAL_KEYS:
    try:
        Fernet(_key)
    except ValueError as _error:
        raise ImproperlyConfigured("CREDENTIAL_KEYS must hold url-safe base64 keys of 32 bytes each") from _error

# --- Web ---------------------------------------------------------------------------------------------------

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
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "batches.console.large_forms.RefuseLargeForms",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "batches.console.zone.readers_zone",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
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
AUTHENTICATION_BACKENDS = ["batches.backends.BoundedBackend"]
SIGN_IN_ATTEMPTS = knob("SIGN_IN_ATTEMPTS", whole(1), 10)  # under one name from one address, in so many seconds
SIGN_IN_SECONDS = knob("SIGN_IN_SECONDS", whole(1), 900)
LOGIN_URL = "console:login"
LOGIN_REDIRECT_URL = "console:overview"
LOGOUT_REDIRECT_URL = "console:login"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
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

# --- Limits of what clients may send ---------------------------------------------------------------------------

MAX_FILE_BYTES = knob("MAX_FILE_BYTES", whole(1), 512 * 1024**2)  # one uploaded file
MAX_BATCH_FILE_BYTES = knob("MAX_BATCH_FILE_BYTES", whole(1), 200 * 1024**2)  # a batch's input file
MAX_BATCH_LINES = knob("MAX_BATCH_LINES", whole(1), 50_000)  # requests in one batch
MAX_WINDOW_HOURS = knob("MAX_WINDOW_HOURS", whole(48), 168)  # the longest completion window; the contracts' own go up to 48
MAX_INLINE_REQUESTS = knob("MAX_INLINE_REQUESTS", whole(1), 100_000)  # requests inside one create call
MAX_INLINE_BYTES = knob("MAX_INLINE_BYTES", whole(1), 256 * 1024**2)  # the body of such a call
MAX_BULK_ITEMS = knob("MAX_BULK_ITEMS", whole(1), 100)  # items of a bulk write (Merge)
MAX_BULK_BYTES = knob("MAX_BULK_BYTES", whole(1), 5 * 1024**2)  # the body of such a call
NOVITA_MAX_FILE_BYTES = knob("NOVITA_MAX_FILE_BYTES", whole(1), 100 * 1024**2)  # a file uploaded in that dialect
MAX_LINE_BYTES = knob("MAX_LINE_BYTES", whole(1), 16 * 1024**2)  # one line of an input file
MAX_JSON_BYTES = knob("MAX_JSON_BYTES", whole(1), 1024**2)  # one JSON request body
MAX_CUSTOM_ID_CHARS = knob("MAX_CUSTOM_ID_CHARS", whole(1, 512), 512)
MAX_STORED_ERRORS = knob("MAX_STORED_ERRORS", whole(1), 1000)  # validation errors stored for one batch; all are counted
MAX_UPLOAD_BYTES = knob("MAX_UPLOAD_BYTES", whole(1), 8 * 1024**3)  # an upload in parts
MAX_PART_BYTES = knob("MAX_PART_BYTES", whole(1), 64 * 1024**2)
UPLOAD_LIFETIME_SECONDS = knob("UPLOAD_LIFETIME_SECONDS", seconds, 3600.0)
FILE_LIFETIME_SECONDS = knob("FILE_LIFETIME_SECONDS", seconds, 30 * 86400.0)  # batch inputs, outputs and errors
NOVITA_INPUT_LIFETIME_SECONDS = knob("NOVITA_INPUT_LIFETIME_SECONDS", seconds, 15 * 86400.0)  # a batch's input there
RESULTS_LIFETIME_SECONDS = knob("RESULTS_LIFETIME_SECONDS", seconds, 29 * 86400.0)  # Anthropic: from a batch's creation
RESULT_ROWS_SECONDS = knob("RESULT_ROWS_SECONDS", seconds, 86400.0)  # after its end, answers are read from a batch's files
BATCH_RETENTION_DAYS = knob("BATCH_RETENTION_DAYS", whole(1), None)  # ended batches are removed with all they have; none: kept
MINUTE_RETENTION_DAYS = knob("MINUTE_RETENTION_DAYS", whole(1), 30)  # counts of minutes, for charts
ERROR_HOUR_RETENTION_DAYS = knob("ERROR_HOUR_RETENTION_DAYS", whole(30), 90)  # counts of hours, of error groups
BULK_OPERATION_RETENTION_DAYS = knob("BULK_OPERATION_RETENTION_DAYS", whole(1), 90)  # ended ones, with their outcomes
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_JSON_BYTES

# --- Quotas and guards, where a project, a batch or a provider has none of its own -------------------------------

PROJECT_MAX_OPEN_BATCHES = knob("PROJECT_MAX_OPEN_BATCHES", whole(0), None)
PROJECT_MAX_PENDING_OBJECTS = knob("PROJECT_MAX_PENDING_OBJECTS", whole(0), None)
PROJECT_MAX_STORED_BYTES = knob("PROJECT_MAX_STORED_BYTES", whole(0), None)
GUARD_SAMPLE = knob("GUARD_SAMPLE", whole(1), 100)  # objects that must have settled before an error rate counts
CURRENCY = knob("CURRENCY", str, "USD")  # of prices and costs; shown, never converted

# --- Engine ----------------------------------------------------------------------------------------------------

SLICE_LINES = knob("SLICE_LINES", whole(1, 5000), 250)  # lines a worker leases at once
SLICE_BYTES = knob("SLICE_BYTES", whole(1), 4 * 1024**2)  # ... and how many bytes of them at most
EXECUTORS = knob("EXECUTORS", whole(1), 1 if EMBEDDED else 2)  # executors running at once over all workers
EXECUTOR_SLOTS = EXECUTORS + 1  # of a worker: the next executor begins while the last one brings home what is in flight
EXECUTOR_CONCURRENCY = knob("EXECUTOR_CONCURRENCY", whole(1), 256)  # requests in flight in one executor
EXECUTOR_BUFFER_BYTES = knob("EXECUTOR_BUFFER_BYTES", whole(1), 32 * 1024**2)  # requests and responses it holds
EXECUTOR_ANSWER_BYTES = knob("EXECUTOR_ANSWER_BYTES", whole(1), 64 * 1024**2)  # of answers, read or not recorded yet
EXECUTOR_SECONDS = knob("EXECUTOR_SECONDS", seconds, 3600.0)  # then an executor leaves its seat to the next one
EXECUTOR_IDLE_SECONDS = knob("EXECUTOR_IDLE_SECONDS", seconds, 5.0)
LEASE_SECONDS = knob("LEASE_SECONDS", seconds, 30.0)  # a killed worker's slices run again after this
MAX_LOST_LEASES = knob("MAX_LOST_LEASES", whole(1, 1000), 5)  # of a slice, in a row: with the next, its requests fail
FLUSH_ROWS = knob("FLUSH_ROWS", whole(1), 500)
FLUSH_SECONDS = knob("FLUSH_SECONDS", seconds, 0.2)
REQUEST_TIMEOUT_SECONDS = knob("REQUEST_TIMEOUT_SECONDS", seconds, 600.0)  # one call to an upstream
UPSTREAM_PROXIES_FROM_ENVIRONMENT = knob("UPSTREAM_PROXIES_FROM_ENVIRONMENT", flag, True)  # HTTPS_PROXY and the like
MAX_RESPONSE_BYTES = knob("MAX_RESPONSE_BYTES", whole(1), 32 * 1024**2)
SIMULATOR = knob("SIMULATOR", flag, True)  # whether providers may use the built-in upstream that makes its answers up
MAX_ATTEMPTS = knob("MAX_ATTEMPTS", whole(1, 100), 5)  # sends of one object in one round
BACKOFF_BASE_SECONDS = knob("BACKOFF_BASE_SECONDS", seconds, 0.5)
BACKOFF_CAP_SECONDS = knob("BACKOFF_CAP_SECONDS", seconds, 60.0)
LONGEST_WAIT_SECONDS = knob("LONGEST_WAIT_SECONDS", seconds, 600.0)  # for its next attempt, whatever an upstream asks for
HOLD_PROBE_SECONDS = knob("HOLD_PROBE_SECONDS", seconds, 300.0)  # at most, between two probes of a held provider
CANCEL_GRACE_SECONDS = knob("CANCEL_GRACE_SECONDS", seconds, 30.0)  # what is in flight may settle for this long
RECONCILE_SECONDS = knob("RECONCILE_SECONDS", seconds, 1.0)

CELERY_BROKER_URL = REDIS_URL or "memory://localhost/"
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = (
    {"polling_interval": 0.05}
    if EMBEDDED
    else {
        "visibility_timeout": 3600,
        "socket_timeout": 30,
        "socket_keepalive": True,
        "unacked_restore_interval": 2,
        "unacked_restore_throttle": 1,
    }
)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # a worker waits for its broker however long that is away
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "control"
CELERY_TASK_ROUTES = {"batches.engine.execute": {"queue": "execute"}}
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_REDIRECT_STDOUTS = False
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False  # leases, not the broker, decide who works
CELERY_DB_REUSE_MAX = 1_000_000  # keep the connection between tasks; config.celery checks its health
CELERY_BEAT_SCHEDULE = {
    "reconcile": {
        "task": "batches.engine.reconcile",
        "schedule": RECONCILE_SECONDS,
        "options": {"expires": max(RECONCILE_SECONDS * 5, 5)},
    },
    "assess": {"task": "batches.engine.assess", "schedule": 5.0, "options": {"expires": 5}},
    "prove": {"task": "batches.engine.prove", "schedule": 60.0, "options": {"expires": 60}},
    "prune": {"task": "batches.engine.prune", "schedule": 300.0, "options": {"expires": 300}},
}
CELERY_BEAT_SCHEDULER = "config.beat.Scheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 5

# --- People ----------------------------------------------------------------------------------------------------

BODIES_ROLE = knob("BODIES_ROLE", word("viewer", "operator", "admin"), "viewer")  # the lowest that may read requests and answers
AUDIT_BODY_VIEWS = knob("AUDIT_BODY_VIEWS", flag, False)  # leave an audit entry of who looked at requests and answers

BULK_OPERATION_MAX_BATCHES = knob("BULK_OPERATION_MAX_BATCHES", whole(1), 50_000)  # acted on at once
BULK_OPERATION_TYPED_ABOVE = knob("BULK_OPERATION_TYPED_ABOVE", whole(0), 100)  # of more than these, the number is typed

# --- Logging ---------------------------------------------------------------------------------------------------

LOG_LEVEL = knob("LOG_LEVEL", str.upper, "INFO")
if LOG_LEVEL not in {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}:
    raise ImproperlyConfigured(f"LOG_LEVEL={LOG_LEVEL!r} is not valid: use DEBUG, INFO, WARNING, ERROR or CRITICAL")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name} {message}", "style": "{"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        "celery": {"level": "WARNING"},
        "kombu": {"level": "WARNING"},
        "django.request": {"level": "ERROR"},
        "django.security.DisallowedHost": {"level": "CRITICAL"},  # the answer says it; anybody can send a hundred a second
    },
}
