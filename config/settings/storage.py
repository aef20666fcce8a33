"""Settings of storage: the data folder, the database, the broker and files; and the generated secrets."""

import contextlib
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import environ
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

from config.knobs import knob, names, secret, variables, whole

BASE_DIR = Path(__file__).resolve().parent.parent.parent


os.umask(0o077)  # every process of the portal reads these settings, so no other user can read the files that it writes


def kept_secret(name: str, make: Callable[[], str]) -> str:
    """A secret from `secret`; else a secret that is generated once and kept in the data folder."""
    if given := secret(name):
        return given
    path = DATA_DIR / name.lower()
    if not path.exists():
        fresh = path.with_suffix(f".{os.getpid()}")
        fresh.touch(mode=0o600)
        fresh.write_text(make())
        with contextlib.suppress(FileExistsError):
            os.link(fresh, path)  # if two processes come here at once, the first one's secret is kept
        fresh.unlink()
    return path.read_text().strip()


def own_folder(path: Path) -> Path:
    """The data folder, made if it is missing. No other user may enter it, since it holds requests, answers and keys.

    A data folder of an earlier version, which others may enter, gets stricter permissions.
    """
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    mode = path.stat().st_mode
    if not mode & 0o077:
        return path
    held = {entry.name for entry in path.iterdir()} - {"lost+found"}
    if held and held.isdisjoint(OURS):
        raise ImproperlyConfigured(f"BATCHYARD_DATA={path} holds what is not the portal's: name a folder of its own.")
    try:
        if mode & stat.S_ISVTX:
            raise PermissionError
        path.chmod(0o700)
    except PermissionError:
        raise ImproperlyConfigured(
            f"BATCHYARD_DATA={path} may be entered by others, and this user cannot change that: name a folder within it."
        ) from None
    return path


FILE_UPLOAD_FOLDER = "incoming"
OURS = {FILE_UPLOAD_FOLDER, "batchyard.sqlite3", "secret_key", "credential_keys"}  # they tell that a folder is a data folder
DATA_DIR = own_folder(knob("BATCHYARD_DATA", Path, BASE_DIR / ".data").resolve())

DATABASE_URL = secret("DATABASE_URL")
REDIS_URL = secret("REDIS_URL")
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
    _database["ENGINE"] = "config.backends.postgresql"
    _database["CONN_MAX_AGE"] = None
    _database["CONN_HEALTH_CHECKS"] = True
    # A server that vanishes without closing its connections is noticed within half a minute, on busy and idle connections.
    _lost_server = {"connect_timeout": 10, "tcp_user_timeout": 30_000, "keepalives_idle": 15, "keepalives_interval": 5}
    _database["OPTIONS"] = {**_lost_server, **_database.get("OPTIONS", {})}
DATABASES = {"default": _database}
WEB_DATABASE_CONNECTIONS = knob("WEB_DATABASE_CONNECTIONS", whole(1), 48)  # of all processes of one web server, to PostgreSQL
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

S3_BUCKET = os.environ.get("S3_BUCKET", "").strip()
S3_ENDPOINT_URL = os.environ.get("S3_ENDPOINT_URL", "").strip() or None  # of the file storage, and of backups
MEDIA_ROOT = DATA_DIR / "files"
FILE_UPLOAD_PERMISSIONS = 0o600  # by default, Django lets everybody read uploaded files
FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o700
if S3_BUCKET:
    from config.backends import s3

    _file_storage: dict[str, Any] = {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": s3.options(bucket=S3_BUCKET, endpoint_url=S3_ENDPOINT_URL),
    }
else:
    _file_storage = {"BACKEND": "django.core.files.storage.FileSystemStorage"}
STORAGES: dict[str, dict[str, Any]] = {
    "default": _file_storage,
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

# --- Secrets -----------------------------------------------------------------------------------------------------------

SECRET_KEY = kept_secret("SECRET_KEY", lambda: secrets.token_urlsafe(48))
# Comma-separated keys. The first one encrypts, and all decrypt. To rotate, put the new key in front.
CREDENTIAL_KEYS = names(kept_secret("CREDENTIAL_KEYS", lambda: Fernet.generate_key().decode()))
for _key in CREDENTIAL_KEYS:
    try:
        Fernet(_key)
    except ValueError as _error:
        raise ImproperlyConfigured("CREDENTIAL_KEYS must hold url-safe base64 keys of 32 bytes each") from _error

# --- Credentials of providers that are kept outside of the database --------------------------------------------------------

# The variables that providers may name; each may end in *. A person who configures a provider can send its credential to any
# address, so the portal's own secrets must not be among them.
CREDENTIAL_VARIABLES = knob("CREDENTIAL_VARIABLES", variables, ["BATCHYARD_CREDENTIAL_*"])
for _name in ("SECRET_KEY", "CREDENTIAL_KEYS", "DATABASE_URL", "REDIS_URL", "OPERATOR_PASSWORD", "METRICS_TOKEN", "EMAIL_URL"):
    if any(_name.startswith(_listed[:-1]) if _listed.endswith("*") else _name == _listed for _listed in CREDENTIAL_VARIABLES):
        raise ImproperlyConfigured(f"CREDENTIAL_VARIABLES must not let providers name {_name}, which is the portal's own.")
CREDENTIALS_DIR = knob("CREDENTIALS_DIR", Path, None)  # a folder of files, each with one credential
