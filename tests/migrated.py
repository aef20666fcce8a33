"""A migrated SQLite database, made once for a state of the migrations: tests and portals begin with a copy of it.

Migrating takes many seconds, and every process of a run would do it twice.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "build" / "migrated"


@cache
def migrated_file() -> Path:
    """The database. The first process that wants it makes it; the others wait."""
    path = FOLDER / f"{_digest()}.sqlite3"
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            for old in FOLDER.glob("*.sqlite3"):
                old.unlink()
            with tempfile.TemporaryDirectory(prefix="batchyard-migrated-") as folder:
                migrate(bare_environment() | {"BATCHYARD_DATA": folder})
                shutil.copy(Path(folder, "batchyard.sqlite3"), path.with_suffix(".new"))
            path.with_suffix(".new").replace(path)
    return path


def _digest() -> str:
    """Of all that the schema depends on: the migrations, and the versions of the packages that bring some."""
    found = hashlib.sha256((ROOT / "requirements.lock").read_bytes())
    for path in sorted(ROOT.glob("*/migrations/*.py")):
        found.update(path.name.encode() + path.read_bytes())
    return found.hexdigest()[:32]


def migrate(environment: Mapping[str, str], *, root: Path = ROOT) -> None:
    """Migrate the database that an environment names, with the code at `root`."""
    migrated = manage(environment, "migrate", "--verbosity", "0", root=root)
    assert migrated.returncode == 0, migrated.stderr


def manage(environment: Mapping[str, str], *words: str, root: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """A command of manage.py in an environment, with the code at `root`."""
    command = [sys.executable, "manage.py", *words]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)


def bare_environment() -> dict[str, str]:
    """The environment of this process, without the variables that the tests set."""
    return {
        name: value for name, value in os.environ.items() if name not in {"DJANGO_SETTINGS_MODULE", "DATABASE_URL", "REDIS_URL"}
    }
