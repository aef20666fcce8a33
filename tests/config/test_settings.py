"""Settings come from the environment alone, and a bad value is refused by name, before anything starts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


def load(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Load the settings in a process of its own, and print what a test asks about."""
    asked = "from config import settings as s; print(s.EMBEDDED, s.PORT, s.SECRET_KEY)"
    return subprocess.run(
        [sys.executable, "-c", asked],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name == "PATH" or name.startswith("PYTHON")}
        | {"BATCHYARD_DATA": str(folder)}
        | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "http"),
        ("PORT", "0"),
        ("PORT", "65536"),
        ("DEBUG", "maybe"),
        ("LOG_LEVEL", "loud"),
        ("MAX_BATCH_LINES", "-1"),
        ("SLICE_LINES", "1.5"),
        ("LEASE_SECONDS", "0"),
        ("LEASE_SECONDS", "nan"),
        ("REQUEST_TIMEOUT_SECONDS", "inf"),
        ("CREDENTIAL_KEYS", "not-a-key"),
        ("REQUIRE_SECOND_FACTOR", "some"),
        ("SESSION_SECONDS", "1"),
        ("OIDC_ISSUER", "http://id.example"),
        ("OIDC_ISSUER", "id.example"),
        ("OIDC_GROUPS", "ops"),
        ("OIDC_GROUPS", '["admin"]'),
        ("OIDC_GROUPS", '{"ops": ["acme:owner"]}'),
        ("OIDC_GROUPS", '{"ops": [":admin"]}'),
        ("OIDC_GROUPS", '{"ops": 1}'),
    ],
)
def test_a_bad_value_is_refused_by_name(tmp_path: Path, name: str, value: str) -> None:
    refused = load(tmp_path, **{name: value})

    assert refused.returncode != 0
    assert f"ImproperlyConfigured: {name}" in refused.stderr


@pytest.mark.parametrize(
    ("set_one", "value", "missing"),
    [("DATABASE_URL", "postgres://localhost/x", "REDIS_URL"), ("REDIS_URL", "redis://localhost/0", "DATABASE_URL")],
)
def test_one_server_without_the_other_is_refused_by_name(tmp_path: Path, set_one: str, value: str, missing: str) -> None:
    refused = load(tmp_path, **{set_one: value})

    assert refused.returncode != 0
    assert f"{set_one} is set but {missing} is not" in refused.stderr


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"LOCAL_SIGN_IN": "no"}, "nobody could sign in"),
        ({"OIDC_ISSUER": "https://id.example"}, "OIDC_CLIENT_ID is not"),
    ],
)
def test_settings_with_which_nobody_could_sign_in_are_refused(tmp_path: Path, environment: dict[str, str], said: str) -> None:
    refused = load(tmp_path, **environment)

    assert refused.returncode != 0
    assert said in refused.stderr


def test_another_database_than_postgresql_is_refused(tmp_path: Path) -> None:
    refused = load(tmp_path, DATABASE_URL="mysql://localhost/x", REDIS_URL="redis://localhost/0")

    assert refused.returncode != 0
    assert "DATABASE_URL must name a PostgreSQL database" in refused.stderr


def test_with_nothing_set_the_portal_is_embedded(tmp_path: Path) -> None:
    assert load(tmp_path).stdout.startswith("True 8000 ")


def test_with_both_servers_set_it_is_not(tmp_path: Path) -> None:
    loaded = load(tmp_path, DATABASE_URL="postgres://localhost/x", REDIS_URL="redis://localhost/0", PORT="9000")

    assert loaded.stdout.startswith("False 9000 ")


def test_the_secret_key_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    first, second = load(tmp_path).stdout, load(tmp_path).stdout

    assert first == second
    assert len(first.split()[2]) >= 50
    assert (tmp_path / "secret_key").stat().st_mode & 0o077 == 0
