"""What depends on PostgreSQL's planner and locks, on each of its releases that is at hand.

Those of Debian's packages are found, and those that `make proof` installs where there is Node. TEST_POSTGRESQL names folders
of further ones with `initdb` and `postgres`, separated by colons. A release that is not at hand is skipped, and the report
says so.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.extent import ROOT
from tests.servers import postgresql

RELEASES = (15, 16, 17, 18)
MODULES = ("tests/services/test_statements.py", "tests/services/test_plans.py", "tests/services/test_lock_order.py")

pytestmark = [pytest.mark.proof, pytest.mark.servers, pytest.mark.django_db]


def _installed() -> dict[int, Path]:
    named = [Path(folder) for folder in os.environ.get("TEST_POSTGRESQL", "").split(":") if folder]
    installed = (ROOT / "build/postgresql/node_modules").glob("*/native/bin")
    folders = [*installed, *Path("/usr/lib/postgresql").glob("*/bin"), *named]
    return {_release(folder): folder for folder in folders}


def _release(folder: Path) -> int:
    said = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"\d+", said)
    assert found is not None, said
    return int(found[0])


@pytest.mark.parametrize("release", RELEASES)
def test_e16_statements_cost_what_they_touch_on(release: int) -> None:
    programs = _installed().get(release)
    if programs is None:
        pytest.skip(f"PostgreSQL {release} is not at hand: name it in TEST_POSTGRESQL")
    with tempfile.TemporaryDirectory(prefix="batchyard-postgresql-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL may have to run as somebody else, who may not look into this tree
        if programs.is_relative_to(ROOT):
            programs = shutil.copytree(programs.parent, folder / "programs", symlinks=True) / "bin"
        with postgresql(folder, programs=programs) as url:
            command = [sys.executable, "-m", "pytest", "-q", *MODULES]
            done = subprocess.run(
                command, env=os.environ | {"TEST_DATABASE_URL": url}, capture_output=True, text=True, check=False
            )
    assert done.returncode == 0, done.stdout
