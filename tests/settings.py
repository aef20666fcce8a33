"""Settings of the tests: Batchyard's own, on a data folder, a database and a broker that may be thrown away.

On PostgreSQL and Redis if TEST_DATABASE_URL and TEST_REDIS_URL name them, else embedded. What the shell says of the
portal itself (BATCHYARD_DATA, DATABASE_URL, REDIS_URL, ...) is not heeded, so that no test can touch a real one.
"""

import atexit
import os
import shutil
import tempfile

from tests.servers import own_redis_url

_FOLDER = tempfile.mkdtemp(prefix="batchyard-tests-")
atexit.register(shutil.rmtree, _FOLDER, ignore_errors=True)

_PORTALS = ("SECRET_KEY", "CREDENTIAL_KEYS", "DATABASE_URL", "REDIS_URL")
for _name in (
    "DEBUG",
    "HOST",
    "PORT",
    "PUBLIC_URL",
    "ALLOWED_HOSTS",
    "S3_BUCKET",
    "EMAIL_URL",
    "EMAIL_URL_FILE",
    "EMAIL_FROM",
    *_PORTALS,
    *(f"{name}_FILE" for name in _PORTALS),
):
    os.environ.pop(_name, None)
os.environ["BATCHYARD_DATA"] = _FOLDER
os.environ["DATABASE_URL"] = os.environ.get("TEST_DATABASE_URL", "")
os.environ["REDIS_URL"] = own_redis_url()

from config.settings import *  # noqa: E402

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # fast
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "OPTIONS": {"MAX_ENTRIES": 20_000}}}
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}  # nothing is collected
STORAGES["default"] = {"BACKEND": "tests.watched_storage.WatchedStorage"}
STATIC_ROOT.mkdir()
EXECUTOR_IDLE_SECONDS = 0.2
