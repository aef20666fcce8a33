"""Settings come from the environment alone, and a bad value is refused by name, before anything starts."""

import json
import os
import re
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.config import fresh
from tests.config.fresh import Ended

ROOT = Path(__file__).parent.parent.parent


def alone(folder: Path) -> dict[str, str]:
    """The environment of a portal of which nothing is set but its data folder."""
    kept = {name: value for name, value in os.environ.items() if name == "PATH" or name.startswith("PYTHON")}
    return kept | {"BATCHYARD_DATA": str(folder)}


def load(folder: Path, **environment: str) -> Ended:
    """Load the settings in a process of its own, and print a few."""
    return ask(folder, "from config import settings as s; print(s.EMBEDDED, s.PORT, s.SECRET_KEY)", **environment)


def ask(folder: Path, asked: str, **environment: str) -> Ended:
    """Run a little program with these settings."""
    return fresh.run(asked, alone(folder) | environment)


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
        ("CREDENTIAL_VARIABLES", "UP_KEY, two words"),
        ("CREDENTIAL_VARIABLES", "*"),
        ("CREDENTIAL_VARIABLES", "DATABASE_*"),
        ("CREDENTIAL_VARIABLES", "SECRET_KEY"),
        ("TENANT_NETWORKS", "10.0.0.1/8"),
        ("PUBLIC_URL", "batch.example"),
        ("PUBLIC_URL", "ftp://batch.example"),
        ("PUBLIC_URL", "https://batch.example/path"),
        ("PUBLIC_URL", "https://user:word@batch.example"),
        ("PUBLIC_URL", "https://batch.example:port"),
        ("HSTS_PRELOAD", "yes"),
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


# --- Secrets in files ----------------------------------------------------------------------------------------

KEY = "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmE="
SERVERS = {"DATABASE_URL": "postgres://localhost/x", "REDIS_URL": "redis://localhost/0"}


def test_each_secret_may_be_in_a_file(tmp_path: Path) -> None:
    given = {**SERVERS, "SECRET_KEY": "a secret of the portal", "CREDENTIAL_KEYS": KEY}
    for name, value in given.items():
        (tmp_path / name).write_text(f"{value}\n")

    loaded = load(tmp_path / "data", **{f"{name}_FILE": str(tmp_path / name) for name in given})

    assert loaded.stdout == "False 8000 a secret of the portal\n", loaded.stderr
    assert not (tmp_path / "data" / "secret_key").exists()


@pytest.mark.parametrize("name", ["SECRET_KEY", "CREDENTIAL_KEYS", "DATABASE_URL", "REDIS_URL"])
def test_a_variable_and_its_file_together_are_refused_by_name(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text(KEY)
    refused = load(tmp_path, **{**SERVERS, name: KEY, f"{name}_FILE": str(tmp_path / "file")})
    assert f"{name} and {name}_FILE are both set" in refused.stderr
    assert KEY not in refused.stderr


@pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff\xfe"])
def test_a_file_that_holds_no_secret_is_refused_by_name(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "file").write_bytes(content)
    refused = load(tmp_path, SECRET_KEY_FILE=str(tmp_path / "file"))
    assert "ImproperlyConfigured: SECRET_KEY_FILE=" in refused.stderr


# --- The data folder -----------------------------------------------------------------------------------------


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_the_portal_writes_is_its_own(tmp_path: Path) -> None:
    load(tmp_path / "data")
    assert mode(tmp_path / "data") == 0o700
    for path in (tmp_path / "data").iterdir():
        assert mode(path) & 0o077 == 0, path


def test_the_data_folder_of_an_earlier_version_is_tightened(tmp_path: Path) -> None:
    load(tmp_path / "data")
    (tmp_path / "data").chmod(0o755)
    assert load(tmp_path / "data").returncode == 0
    assert mode(tmp_path / "data") == 0o700


def test_so_is_a_fresh_volume(tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    (volume / "lost+found").mkdir(parents=True)
    volume.chmod(0o755)
    assert load(volume).returncode == 0
    assert mode(volume) == 0o700


@pytest.mark.parametrize("bits", [0o755, 0o1777])
def test_a_folder_that_is_not_the_portals_is_refused_and_stays_as_it_is(tmp_path: Path, bits: int) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    if bits == 0o755:
        (shared / "somebodys").touch()
    shared.chmod(bits)
    refused = load(shared)
    assert f"ImproperlyConfigured: BATCHYARD_DATA={shared}" in refused.stderr
    assert mode(shared) == bits


# --- Reached by others ---------------------------------------------------------------------------------------


def web(folder: Path, **environment: str) -> dict[str, Any]:
    """What the settings of the web server become."""
    shown = "{n: getattr(s, n) for n in dir(s) if n.isupper()}"
    asked = f"import json; from config import settings as s; print(json.dumps({shown}, default=str))"
    found = ask(folder, asked, **environment)
    assert found.returncode == 0, found.stderr
    loaded: dict[str, Any] = json.loads(found.stdout)
    return loaded


def test_s8_one_knob_sets_everything_for_a_deployment_behind_tls(tmp_path: Path) -> None:
    found = web(tmp_path, PUBLIC_URL="https://Batch.Example:8443/", HOST="0.0.0.0", ALLOWED_HOSTS="batchyard.internal")
    assert found["PUBLIC_URL"] == "https://batch.example:8443"
    assert found["ALLOWED_HOSTS"] == ["batch.example", "batchyard.internal"]
    assert found["CSRF_TRUSTED_ORIGINS"] == ["https://batch.example:8443"]
    assert found["SESSION_COOKIE_SECURE"] is found["CSRF_COOKIE_SECURE"] is found["SECURE_SSL_REDIRECT"] is True
    assert (found["SESSION_COOKIE_NAME"], found["CSRF_COOKIE_NAME"]) == ("__Host-sessionid", "__Host-csrftoken")
    assert found["SECURE_HSTS_SECONDS"] == 365 * 86400
    assert found["SECURE_HSTS_INCLUDE_SUBDOMAINS"] is found["SECURE_HSTS_PRELOAD"] is False
    assert found["TRUST_PROXY"] is found["USE_X_FORWARDED_HOST"] is True
    assert found["SECURE_PROXY_SSL_HEADER"] == ["HTTP_X_FORWARDED_PROTO", "https"]


def test_s8_subdomains_and_preload_are_a_choice(tmp_path: Path) -> None:
    found = web(tmp_path, PUBLIC_URL="https://b.example", HSTS_SUBDOMAINS="yes", HSTS_PRELOAD="yes", HSTS_SECONDS="60")
    assert (found["SECURE_HSTS_INCLUDE_SUBDOMAINS"], found["SECURE_HSTS_PRELOAD"]) == (True, True)
    assert found["SECURE_HSTS_SECONDS"] == 60


def test_s8_without_tls_it_is_hosts_and_origin_alone(tmp_path: Path) -> None:
    found = web(tmp_path, PUBLIC_URL="http://batch.internal:8000", HOST="0.0.0.0")
    assert (found["ALLOWED_HOSTS"], found["CSRF_TRUSTED_ORIGINS"]) == (["batch.internal"], ["http://batch.internal:8000"])
    assert found["SESSION_COOKIE_SECURE"] is found["SECURE_SSL_REDIRECT"] is found["TRUST_PROXY"] is False
    assert "SESSION_COOKIE_NAME" not in found
    assert found["SECURE_HSTS_SECONDS"] == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::", "192.0.2.7"])
def test_s8_off_loopback_no_name_will_do_that_is_not_listed(tmp_path: Path, host: str) -> None:
    names = web(tmp_path, HOST=host)["ALLOWED_HOSTS"]
    assert {"127.0.0.1", "localhost", "[::1]"} <= set(names)
    assert "*" not in names
    assert ("192.0.2.7" in names) == (host == "192.0.2.7")
    assert not {"0.0.0.0", "[::]"} & set(names)


def test_s8_names_that_are_listed_take_the_place_of_the_local_ones(tmp_path: Path) -> None:
    assert web(tmp_path, ALLOWED_HOSTS="batch.example")["ALLOWED_HOSTS"] == ["batch.example"]
    assert web(tmp_path, ALLOWED_HOSTS="*")["ALLOWED_HOSTS"] == ["*"]


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"DEBUG": "yes", "HOST": "0.0.0.0"}, "DEBUG "),
        ({"DEBUG": "yes", "HOST": "192.0.2.7"}, "DEBUG "),
        ({"DEBUG": "yes", "PUBLIC_URL": "https://batch.example"}, "DEBUG "),
        ({"DEBUG": "yes", "TRUST_PROXY": "yes"}, "DEBUG "),
        ({"ALLOWED_HOSTS": "*", "HOST": "0.0.0.0"}, "ALLOWED_HOSTS "),
        ({"ALLOWED_HOSTS": "a.example,*", "PUBLIC_URL": "https://batch.example"}, "ALLOWED_HOSTS "),
        ({"TRUST_PROXY": "no", "PUBLIC_URL": "https://batch.example"}, "TRUST_PROXY=no "),
        ({"HTTPS_ONLY_COOKIES": "yes"}, "HTTPS_ONLY_COOKIES is not used any more: PUBLIC_URL"),
        ({"CSRF_TRUSTED_ORIGINS": "https://batch.example"}, "CSRF_TRUSTED_ORIGINS is not used any more: PUBLIC_URL"),
    ],
)
def test_s8_what_would_expose_the_portal_is_refused_by_name(tmp_path: Path, environment: dict[str, str], named: str) -> None:
    refused = load(tmp_path, **environment)
    assert refused.returncode != 0
    assert f"ImproperlyConfigured: {named}" in refused.stderr


def test_s8_debug_on_this_machine_alone_is_ones_own_business(tmp_path: Path) -> None:
    assert web(tmp_path, DEBUG="yes")["DEBUG"] is True
    assert web(tmp_path, DEBUG="yes", HOST="::1", PUBLIC_URL="http://localhost:8000")["DEBUG"] is True


def test_s8_a_deployment_check_has_nothing_to_say(tmp_path: Path) -> None:
    program = "from django.core.management import execute_from_command_line as run; run(['manage.py', 'check', *OPTIONS])"
    options = ["--deploy", "--fail-level", "WARNING"]
    django = {"DJANGO_SETTINGS_MODULE": "config.settings", "PUBLIC_URL": "https://batch.example"}
    checked = ask(tmp_path, program.replace("*OPTIONS", repr(options)[1:-1]), **SERVERS, **django)
    assert checked.returncode == 0, checked.stderr
    assert "no issues" in checked.stdout


def test_s8_each_silenced_check_has_its_reason() -> None:
    text = (ROOT / "config/settings/web.py").read_text()
    silenced = text.partition("SILENCED_SYSTEM_CHECKS = [")[2].partition("]")[0]
    lines = [line for line in silenced.splitlines() if line.strip()]
    assert lines
    assert all(re.fullmatch(r'\s+"security\.W\d+",  # \w.{20,}', line) for line in lines), lines
