"""A portal's database as SQL, and its data folder as an archive: made by one release, read by another."""

import gzip
import os
import shutil
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path

import psycopg

from tests.processes import ROOT

RELEASES = Path(__file__).parent / "releases"
SQLITE = "batchyard.sqlite3"
NOT_KEPT = (SQLITE, f"{SQLITE}-wal", f"{SQLITE}-shm", "static", "incoming")


def environment(data: Path, *, servers: Mapping[str, str]) -> dict[str, str]:
    """The environment of a portal in this folder: embedded, or on `servers` (DATABASE_URL and REDIS_URL)."""
    foreign = {"DJANGO_SETTINGS_MODULE", "DATABASE_URL", "REDIS_URL", "SECRET_KEY", "CREDENTIAL_KEYS"}
    inherited = {name: value for name, value in os.environ.items() if name not in foreign}
    return inherited | {"BATCHYARD_DATA": str(data), "EXECUTOR_IDLE_SECONDS": "0.5", "CANCEL_GRACE_SECONDS": "1"} | dict(servers)


def run(*command: str, code: Path, environment: Mapping[str, str]) -> str:
    """Run Python with the code of a release; what it printed."""
    done = subprocess.run(
        [sys.executable, *command],
        cwd=code,
        env={**environment, "PYTHONPATH": str(code)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def make(name: str, *, code: Path, data: Path, servers: Mapping[str, str]) -> Path:
    """Have the code of a release fill a portal, and keep it; where."""
    env = environment(data, servers=servers)
    run("manage.py", "migrate", "--verbosity", "0", code=code, environment=env)
    run(str(Path(__file__).parent / "portal.py"), "fill", code=code, environment=env)
    folder = RELEASES / name
    folder.mkdir(exist_ok=True)
    kind = "postgresql" if servers else "sqlite"
    dump = _dumped_postgresql(servers["DATABASE_URL"]) if servers else _dumped_sqlite(data / SQLITE)
    (folder / f"{kind}.sql.gz").write_bytes(gzip.compress(dump.encode(), mtime=0))
    with tarfile.open(folder / f"{kind}.data.tar.gz", "w:gz") as archive:
        for path in sorted(data.iterdir()):
            if path.name not in NOT_KEPT:
                archive.add(path, arcname=path.name)
    return folder


def restore(name: str, *, data: Path, database_url: str) -> None:
    """Lay out what `make` kept: in an empty folder and, if one is named, an empty PostgreSQL database."""
    kind = "postgresql" if database_url else "sqlite"
    sql = gzip.decompress((RELEASES / name / f"{kind}.sql.gz").read_bytes()).decode()
    if database_url:
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute(sql.encode())
    else:
        embedded = sqlite3.connect(data / SQLITE)
        embedded.executescript(sql)
        embedded.close()
    with tarfile.open(RELEASES / name / f"{kind}.data.tar.gz") as archive:
        archive.extractall(data, filter="data")


def _dumped_postgresql(url: str) -> str:
    pg_dump = shutil.which("pg_dump") or str(next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_dump"), reverse=True))))
    command = [pg_dump, "--inserts", "--rows-per-insert=100", "--no-owner", "--no-privileges", url]
    dump = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    # Lines for psql, and a setting that older releases do not know.
    foreign = ("\\", "SET transaction_timeout")
    return "".join(line for line in dump.splitlines(keepends=True) if not line.startswith(foreign))


def _dumped_sqlite(path: Path) -> str:
    connection = sqlite3.connect(path)
    try:
        return "\n".join(connection.iterdump())
    finally:
        connection.close()


__all__ = ["RELEASES", "ROOT", "environment", "make", "restore", "run"]
