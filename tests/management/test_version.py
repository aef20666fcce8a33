"""`manage.py version`: which release this is."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_it_prints_our_version_and_not_only_djangos() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

    output = subprocess.run([sys.executable, "manage.py", "version"], cwd=ROOT, capture_output=True, text=True, check=True)

    assert output.stdout.startswith(f"Batchyard {version} (Django ")


def test_the_changelog_names_the_present_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    changelog = (ROOT / "CHANGELOG.md").read_text()

    named = f"The version is `{version}` until" if ".dev" in version else f"\n## {version}\n"

    assert named in changelog
