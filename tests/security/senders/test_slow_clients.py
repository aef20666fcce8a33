"""Slow clients stop nobody (S3): 1,000 strangers and 200 clients with a key, while others use the portal."""

import http.client
import re
import shutil
import statistics
import subprocess
import time
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.processes import ROOT, PortalProcess, portal_process
from tests.security.senders.slow_clients import Crowd, slow_clients
from tests.servers import free_port
from tests.waiting import PATIENCE, allowed

STRANGERS, KEYED = 1000, 200
SECONDS = {"/healthz": 1.0, "API": 2.0, "sign-in": 3.0}  # within which there is an answer
PASSWORD = "operator of this test"
FILE = b"x" * 30_000_000


@dataclass(slots=True)
class Others:
    """Those who use the portal meanwhile: at a port, with a key of a project of their own."""

    port: int
    key: str
    took: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in SECONDS})

    def use(self, *, seconds: float) -> None:
        """Ask for this long, one request after the other, each on a new connection."""
        asks: dict[str, Callable[[], int]] = {"/healthz": self._probe, "API": self._list, "sign-in": self._sign_in}
        expected = {"/healthz": 200, "API": 200, "sign-in": 302}
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for name, ask in asks.items():
                began = time.monotonic()
                assert ask() == expected[name]
                self.took[name].append(time.monotonic() - began)

    def _probe(self) -> int:
        return self._get("/healthz")[0]

    def _list(self) -> int:
        return self._get("/v1/batches?limit=5", Authorization=f"Bearer {self.key}")[0]

    def _sign_in(self) -> int:
        _, headers, page = self._get("/console/login/")
        token = re.search(r'csrfmiddlewaretoken" value="([^"]+)', page.decode())
        assert token is not None
        form = urllib.parse.urlencode({"csrfmiddlewaretoken": token[1], "login": "operator", "password": PASSWORD})
        with self._connected() as connection:
            cookie = headers["Set-Cookie"].partition(";")[0]
            kind = "application/x-www-form-urlencoded"
            connection.request("POST", "/console/login/", form, {"Cookie": cookie, "Content-Type": kind})
            return connection.getresponse().status

    def _get(self, path: str, **headers: str) -> tuple[int, http.client.HTTPMessage, bytes]:
        with self._connected() as connection:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

    def _connected(self) -> "_Connection":
        return _Connection("127.0.0.1", self.port, timeout=PATIENCE)


class _Connection(http.client.HTTPConnection):
    def __enter__(self) -> "_Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(slots=True)
class Place:
    """A portal with all that the crowd needs, and others."""

    portal: PortalProcess
    crowd: Crowd
    others: Others

    def at(self, port: int) -> "Place":
        """The same, reached at another port."""
        crowd = Crowd(port, self.crowd.strangers, self.crowd.keyed, self.crowd.key, self.crowd.file_id)
        return Place(self.portal, crowd, Others(port, self.others.key))


@pytest.fixture
def place(tmp_path: Path, db: None) -> Iterator[Place]:
    """A portal that runs. (`db` has the tests run in both sessions; nothing here touches that database.)"""
    with portal_process(tmp_path, TRUST_PROXY="no") as portal:
        yield begun(portal)


def begun(portal: PortalProcess) -> Place:
    """Start a portal, and put into it what is needed."""
    for words in (("collectstatic", "--noinput"), ("welcome",)):
        portal.environment["OPERATOR_PASSWORD"] = PASSWORD
        made = portal.manage(*words)
        assert made.returncode == 0, made.stderr
    slow, other = (
        portal.manage("apikey", "create", "--project", project, "--name", "k").stdout.strip() for project in ("slow", "other")
    )
    portal.start()
    uploaded = httpx.post(
        f"{portal.url}/v1/files",
        data={"purpose": "batch"},
        files={"file": ("x.jsonl", FILE)},
        headers={"Authorization": f"Bearer {slow}"},
        timeout=PATIENCE,
    )
    port = int(portal.environment["PORT"])
    crowd = Crowd(port, STRANGERS, KEYED, slow, uploaded.json()["id"])
    return Place(portal, crowd, Others(port, other))


def assert_others_do_not_notice(place: Place, *, seconds: float) -> None:
    """Every answer comes, and within the time that is promised; single ones may be late."""
    with slow_clients(place.crowd):
        place.others.use(seconds=seconds)
    usual = {name: statistics.median(took) for name, took in place.others.took.items()}
    assert {name: took for name, took in usual.items() if took > allowed(SECONDS[name])} == {}, place.others.took
    said = place.portal.output
    assert "Traceback" not in said, said[said.index("Traceback") - 200 :][:4000]


@pytest.mark.both
@pytest.mark.alike
def test_slow_clients_stop_nobody(place: Place) -> None:
    assert_others_do_not_notice(place, seconds=6)


@pytest.mark.proof
def test_slow_clients_stop_nobody_for_long(place: Place) -> None:
    assert_others_do_not_notice(place, seconds=120)

    assert {name: max(took) for name, took in place.others.took.items() if max(took) > SECONDS[name]} == {}


# --- Behind a proxy


@pytest.fixture
def proxied(tmp_path: Path, db: None) -> Iterator[Place]:
    """A portal behind nginx, set up as the example in config/deploy."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        pytest.skip("nginx is not installed")
    with portal_process(tmp_path / "portal", TRUST_PROXY="yes") as portal:
        place = begun(portal)
        port, folder = free_port(), tmp_path / "nginx"
        folder.mkdir()
        (folder / "nginx.conf").write_text(configuration(folder, port=port, upstream=place.others.port))
        with subprocess.Popen([program, "-p", folder, "-c", folder / "nginx.conf", "-e", folder / "error.log"]) as nginx:
            try:
                answers(port)
                yield place.at(port)
            finally:
                nginx.terminate()


def configuration(folder: Path, *, port: int, upstream: int) -> str:
    """The example of config/deploy with these ports, one web server and no certificates, within what a system has around it."""
    example = (ROOT / "config/deploy/nginx/batchyard.conf").read_text()
    told = re.sub(r"\nserver {\s*listen 80;.*?\n}", "", example, flags=re.DOTALL)
    told = re.sub(r"\n\s*(ssl_\w+ |listen \[)[^\n]*", "", told)
    told = told.replace("listen 443 ssl;", f"listen 127.0.0.1:{port};")
    told = re.sub(r"(\n\s*server 10\.[^\n]*)+", f"\n    server 127.0.0.1:{upstream};", told)
    told = re.sub(r"\n    location ~ \^/\(healthz[^}]*}", "", told)  # others ask for it here
    assert "10.0.0" not in told
    assert "healthz" not in told
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    own = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    return (
        f"daemon off;\npid {folder}/pid;\nworker_processes 2;\nworker_rlimit_nofile 8192;\n"
        f"events {{ worker_connections 4096; }}\nhttp {{\naccess_log off;\n{own}{told}\n}}\n"
    )


def answers(port: int) -> None:
    """Wait until the portal is reached at this port."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            assert httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200
        except httpx.TransportError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return


@pytest.mark.once
@pytest.mark.long
def test_slow_clients_stop_nobody_behind_a_proxy(proxied: Place) -> None:
    assert_others_do_not_notice(proxied, seconds=6)


@pytest.mark.proof
def test_slow_clients_stop_nobody_behind_a_proxy_for_long(proxied: Place) -> None:
    assert_others_do_not_notice(proxied, seconds=120)
