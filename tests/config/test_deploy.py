"""The files of config/deploy name what there is: settings, commands, folders, ports, and times that agree."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings
from django.core.management import get_commands

from batches.management.commands.serve import ROLES
from batches.management.processes import web_grace, worker_grace
from config.answers.health import PROBES
from tests.test_house import ROOT
from tests.test_readmes import documented_settings

DEPLOY = ROOT / "config/deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
# Variables of others that a portal's environment has: Python's, and those that S3's client reads.
FOREIGN = re.compile(r"PATH|PYTHON\w+|AWS_\w+")


def containerfile() -> list[tuple[str, str]]:
    """The instructions of the Containerfile, each with its words."""
    lines = [line for line in (DEPLOY / "Containerfile").read_text().splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [(name, " ".join(rest.split())) for name, _, rest in (line.partition(" ") for line in joined.splitlines() if line)]


def said(instruction: str) -> list[str]:
    return [words for name, words in containerfile() if name == instruction]


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return loaded


def portals() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The services of the compose file that run the portal's image."""
    for name, service in compose()["services"].items():
        if service.get("build"):
            yield name, service


def unit(path: Path) -> dict[str, dict[str, list[str]]]:
    """The sections of a unit. A key may stand several times."""
    sections: dict[str, dict[str, list[str]]] = {}
    for line in path.read_text().splitlines():
        if header := re.fullmatch(r"\[(\w+)\]", line):
            current = sections.setdefault(header[1], {})
        elif line and not line.startswith("#"):
            name, _, value = line.partition("=")
            current.setdefault(name, []).append(value)
    return sections


def require_settings(names: set[str]) -> None:
    """Fail for a name that the portal does not read."""
    known = set(documented_settings())
    ours = {name for name in names if not FOREIGN.fullmatch(name)}
    assert ours
    assert {name for name in ours if name.removesuffix("_FILE") not in known} == set()


def require_command(words: list[str]) -> None:
    """Fail for words behind manage.py that are no command."""
    assert words[0] in get_commands()
    if words[0] == "serve":
        assert words[1] in ROLES


def length(text: str) -> float:
    """The seconds of `10s`, `5m` or `60`."""
    return float(text.rstrip("sm")) * (60 if text.endswith("m") else 1)


# --- The image


def test_the_image_installs_from_the_lock_and_runs_as_nobody_in_particular() -> None:
    (install,) = (words for words in said("RUN") if "pip install" in words)
    assert {"--require-hashes", "--only-binary=:all:"} <= set(install.split())
    assert len(said("FROM")) == 2
    assert said("USER") == ["10001:10001"]
    names = [name for name, _ in containerfile()]
    last_stage = containerfile()[len(names) - names[::-1].index("FROM") :]
    assert [words for name, words in last_stage if name == "RUN" and re.search(r"\b(gcc|build-essential|pip)\b", words)] == []


def test_the_image_takes_all_that_the_portal_reads() -> None:
    copied = {word for words in said("COPY") if "--from" not in words for word in words.split()[:-1]}
    assert {"batches", "config", "providers", "static", "templates", "manage.py", "pyproject.toml"} <= copied
    assert {name for name in copied if not (ROOT / name).exists()} == set()
    allowed = re.findall(r"^!(\S+)", (DEPLOY / "Containerfile.dockerignore").read_text(), re.MULTILINE)
    assert set(allowed) == copied


def test_the_image_names_settings_and_commands_that_there_are() -> None:
    (environment,) = said("ENV")
    require_settings({word.partition("=")[0] for word in environment.split()})
    for command in re.findall(r"manage\.py (\S+)", " ".join(said("RUN"))):
        assert command in get_commands()
    assert said("ENTRYPOINT") == ['["python", "manage.py"]']
    require_command(yaml.safe_load(said("CMD")[0]))
    assert said("EXPOSE") == [re.findall(r"PORT=(\d+)", environment)[0]]


# --- Compose


def test_the_services_name_settings_secrets_and_commands_that_there_are() -> None:
    document = compose()
    served = {}
    for name, service in portals():
        require_settings(set(service["environment"]))
        assert set(service["secrets"]) <= set(document["secrets"])
        files = {value for key, value in service["environment"].items() if key.endswith("_FILE")}
        assert files == {f"/run/secrets/{secret}" for secret in service["secrets"]}
        if "entrypoint" not in service:
            require_command(service["command"])
            served[name] = service["command"]
        assert set(service.get("depends_on", {})) <= set(document["services"])
        for volume in service.get("volumes", []):
            assert volume.partition(":")[0] in document["volumes"]
    assert {words[1] for words in served.values() if words[0] == "serve"} == set(ROLES)
    assert served["migrate"] == ["migrate"]


def test_there_are_two_workers_of_each_kind_and_one_beat() -> None:
    copies = {name: service.get("deploy", {}).get("replicas", 1) for name, service in portals()}
    assert copies == {"bucket": 1, "migrate": 1, "web": 1, "control": 2, "execute": 2, "delegate": 2, "beat": 1}


def test_the_image_is_built_from_the_containerfile_of_this_folder() -> None:
    for _, service in portals():
        context = (DEPLOY / service["build"]["context"]).resolve()
        assert context == ROOT
        assert (context / service["build"]["dockerfile"]).resolve() == DEPLOY / "Containerfile"


def test_ports_and_health_checks_agree() -> None:
    web = compose()["services"]["web"]
    (port,) = said("EXPOSE")
    assert [published.split(":")[-1] for published in web["ports"]] == [port]
    address = re.search(r"http://127\.0\.0\.1:(\d+)(/[\w/]+)", " ".join(web["healthcheck"]["test"]))
    assert address is not None
    assert (address[1], address[2] in PROBES) == (port, True)
    s3 = compose()["services"]["s3"]["command"]
    assert web["environment"]["S3_ENDPOINT_URL"] == f"http://s3{s3[s3.index('--port') + 1]}"


def test_every_container_has_the_time_that_it_needs_to_stop() -> None:
    for name, service in portals():
        if name not in ("bucket", "migrate"):
            assert length(service["stop_grace_period"]) > needed_to_stop(name)


def needed_to_stop(role: str) -> float:
    """The longest time in seconds that a role takes to stop by the default settings of a grown-up portal."""
    drain = float(documented_settings()["DRAIN_SECONDS"].split()[-2])
    return web_grace() - settings.DRAIN_SECONDS + drain if role == "web" else worker_grace()


# --- systemd


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_starts_a_role_that_there_is_and_gives_it_time_to_stop(path: Path) -> None:
    service = unit(path)["Service"]
    (command,) = service["ExecStart"]
    words = shlex.split(command)
    instances = ("control", "execute", "delegate") if "@" in path.name else (words[-1],)
    assert words[1] == "manage.py"
    for role in instances:
        require_command([*words[2:-1], words[-1].replace("%i", role)])
        if role != "beat":
            assert length(service["TimeoutStopSec"][0]) > needed_to_stop(role)
    assert service["KillMode"] == ["mixed"]
    assert service["User"] == ["batchyard"]


def test_the_target_wants_every_role() -> None:
    wanted = " ".join(unit(DEPLOY / "systemd/batchyard.target")["Unit"]["Wants"]).split()
    assert {re.sub(r"batchyard-(worker@)?|\.service", "", name) for name in wanted} == set(ROLES)
    assert {re.sub(r"@\w+", "@", name) for name in wanted} == {path.name for path in UNITS}


def test_the_environment_names_settings_that_there_are() -> None:
    text = (DEPLOY / "systemd/environment.example").read_text()
    require_settings(set(re.findall(r"^#?([A-Z][A-Z0-9_]+)=", text, re.MULTILINE)))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd")
def test_systemd_has_no_complaint(tmp_path: Path) -> None:
    for path in (DEPLOY / "systemd").iterdir():
        text = path.read_text().replace("/opt/batchyard/.venv/bin/python", "/bin/true")
        (tmp_path / path.name).write_text(text)
    command = ["systemd-analyze", "verify", *map(str, sorted(tmp_path.glob("*.service")) + sorted(tmp_path.glob("*.target")))]
    verified = subprocess.run(command, capture_output=True, text=True, check=False)
    assert [line for line in verified.stderr.splitlines() if "batchyard" in line] == []


# --- nginx


def directives() -> dict[str, list[str]]:
    """The directives of the example, each with its values."""
    found: dict[str, list[str]] = {}
    for line in (DEPLOY / "nginx/batchyard.conf").read_text().splitlines():
        if directive := re.fullmatch(r"\s*(\w+) (.+);.*", line.partition(" #")[0]):
            found.setdefault(directive[1], []).append(directive[2])
    return found


def default(name: str) -> float:
    number, _, unit = documented_settings()[name].replace(",", "").partition(" ")
    return float(number) * {"": 1, "s": 1, "min": 60, "h": 3600}[unit]


def test_the_times_of_nginx_are_those_of_the_portal() -> None:
    found = directives()
    assert length(found["client_header_timeout"][0]) == default("CLIENT_HEAD_SECONDS")
    assert length(found["client_body_timeout"][0]) == length(found["send_timeout"][0]) == default("CLIENT_PACE_SECONDS")
    assert found["client_max_body_size"] == ["0"]
    assert found["proxy_request_buffering"] == ["off"]
    assert int(found["limit_conn"][0].split()[-1]) <= default("MAX_CONNECTIONS_PER_ADDRESS")
    assert all(f":{default('PORT'):.0f} " in server for server in found["server"])


def test_nginx_sets_each_header_that_the_portal_believes() -> None:
    headers = dict(value.split(" ", 1) for value in directives()["proxy_set_header"])
    assert headers["X-Forwarded-For"] == "$remote_addr"  # a client cannot add to it
    assert headers["X-Forwarded-Proto"] == "$scheme"
    assert headers["X-Forwarded-Host"] == headers["Host"] == "$http_host"


@pytest.mark.skipif(shutil.which("nginx") is None, reason="needs nginx")
def test_nginx_has_no_complaint(tmp_path: Path) -> None:
    text = (DEPLOY / "nginx/batchyard.conf").read_text()
    subject = ["-subj", "/CN=batch.example", "-days", "1", "-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "pem")]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *subject], check=True, capture_output=True)
    text = text.replace("/etc/ssl/batchyard.pem", str(tmp_path / "pem")).replace("/etc/ssl/batchyard.key", str(tmp_path / "key"))
    (tmp_path / "site.conf").write_text(text)
    places = f"pid {tmp_path}/pid; error_log {tmp_path}/log;"
    (tmp_path / "nginx.conf").write_text(f"{places} events {{}} http {{ include {tmp_path}/site.conf; }}")

    tested = subprocess.run(["nginx", "-t", "-c", str(tmp_path / "nginx.conf")], capture_output=True, text=True, check=False)

    assert tested.returncode == 0, tested.stderr
