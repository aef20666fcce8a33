"""A rolling restart in the middle of a batch: two web servers and three workers, one after the other, files in an S3."""

import http.client
import itertools
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests.answers import Answer, Request, succeed
from tests.chaos.client import PATIENCE
from tests.chaos.faults import Servers
from tests.chaos.stage import KNOBS, Stage
from tests.processes import PortalProcess, portal_process
from tests.servers import free_port
from tests.upstream import Upstream

LINES = 8000
SLOW_SECONDS = 1.5  # the upstream's latency during the restart, so that the batch outlasts it
WORKERS = ("control", "execute", "execute")
CLIENTS = 4
LOOK_SECONDS = 0.2  # how often the balancer asks `/readyz/web`
BUCKET = "batchyard"


@dataclass
class Balancer:
    """A load balancer of a few lines: it sends to the servers that are ready, and to the next one if a connection is refused."""

    portals: list[PortalProcess]
    ready: list[PortalProcess] = field(default_factory=list)
    _turns: Iterator[int] = field(default_factory=itertools.count)

    def look(self) -> None:
        """Ask each server whether it takes requests."""
        self.ready = [portal for portal in self.portals if self._ask(portal, "/readyz/web") == 200]

    def ask(self, path: str, key: str) -> int:
        """The status of an answer; 502 if no server takes the request."""
        chosen = self.ready
        for _ in chosen:
            portal = chosen[next(self._turns) % len(chosen)]
            if status := self._ask(portal, path, Authorization=f"Bearer {key}"):
                return status
        return 502

    def _ask(self, portal: PortalProcess, path: str, **headers: str) -> int | None:
        """The status of an answer; None if the connection was refused. Any other failure is one that a client would see."""
        connection = http.client.HTTPConnection("127.0.0.1", int(portal.environment["PORT"]), timeout=30)
        try:
            connection.connect()
        except ConnectionRefusedError:
            return None
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            answer.read()
            return answer.status
        finally:
            connection.close()


@contextmanager
def repeating(act: Callable[[], object], *, pause: float, copies: int = 1) -> Iterator[None]:
    """Do something again and again in threads of its own, until the end of the block."""
    ended = threading.Event()

    def go_on() -> None:
        while not ended.is_set():
            act()
            time.sleep(pause)

    threads = [threading.Thread(target=go_on) for _ in range(copies)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


@pytest.fixture
def bucket() -> Iterator[dict[str, str]]:
    """The settings of a portal that keeps its files in a bucket."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    access = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
    url = f"http://{host}:{port}"
    boto3.client("s3", endpoint_url=url, aws_access_key_id="key", aws_secret_access_key="secret").create_bucket(Bucket=BUCKET)
    yield access | {"S3_ENDPOINT_URL": url, "S3_BUCKET": BUCKET}
    server.stop()


class Fleet:
    """The processes of a portal, each started for itself, as on several machines."""

    def __init__(self) -> None:
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self, portal: PortalProcess, role: str) -> subprocess.Popen[bytes]:
        self._processes.append(portal.spawn("serve", role))
        return self._processes[-1]

    def stop(self, process: subprocess.Popen[bytes]) -> int:
        """Tell a process to stop, as a service manager does; its exit code."""
        process.send_signal(signal.SIGTERM)
        return process.wait(PATIENCE)

    def stop_all(self) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.wait(PATIENCE)


def slow(_request: Request) -> Answer:
    return succeed(delay=SLOW_SECONDS)


@pytest.mark.servers
@pytest.mark.long
def test_no_request_fails_and_no_object_is_lost_or_sent_twice(
    servers: Servers, tmp_path: Path, bucket: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TEST_DATABASE_URL", raising=False)
    settings = KNOBS | bucket | {"DJANGO_SETTINGS_MODULE": "config.settings", "DRAIN_SECONDS": "3", "EXECUTORS": "2"}
    settings |= {"DATABASE_URL": servers.database_url, "REDIS_URL": servers.redis_url, "WEB_DATABASE_CONNECTIONS": "16"}
    with Upstream() as upstream, portal_process(tmp_path, **settings) as first, ExitStack() as going_on:
        second = PortalProcess(first.environment | {"PORT": str(free_port())}, folder=first.folder)
        added = first.manage("provider", "add", "local", "--adapter", "openai", "--base-url", upstream.base_url, "--default")
        key = first.manage("apikey", "create", "--project", "acme", "--name", "nightly").stdout.strip()
        assert added.returncode == 0, added.stderr
        fleet = Fleet()
        going_on.callback(fleet.stop_all)
        webs = [(portal, fleet.start(portal, "web")) for portal in (first, second)]
        workers = [(role, fleet.start(first, role)) for role in WORKERS]
        fleet.start(first, "beat")
        first.wait_until_ready()
        second.wait_until_ready()
        stage = Stage(first, upstream, key)
        run = stage.begin(LINES, slow)
        balancer, statuses = Balancer([first, second]), Counter[int]()
        balancer.look()
        path = f"/v1/batches/{run.id}"
        with ExitStack() as clients:
            clients.enter_context(repeating(balancer.look, pause=LOOK_SECONDS))
            clients.enter_context(repeating(lambda: statuses.update([balancer.ask(path, key)]), pause=0.02, copies=CLIENTS))
            stage.wait_until_answered(run, 0.01)

            codes = []
            for portal, web in webs:
                codes.append(fleet.stop(web))
                fleet.start(portal, "web")
                portal.wait_until_ready()
            for role, worker in workers:
                codes.append(fleet.stop(worker))
                fleet.start(first, role)

            assert stage.look(run)["status"] == "in_progress", "the batch had ended before the restart"
            upstream.behave(lambda _: succeed())
            batch = stage.wait_until_ended(run)

        assert codes == [0] * 5
        assert set(statuses) == {200}
        assert statuses.total() > 200
        output, error = stage.results(batch)
        assert (len(output), len(error)) == (LINES, 0)
        assert batch["request_counts"] == {"total": LINES, "completed": LINES, "failed": 0}
        assert stage.repeated() == set()
        said = first.manage("verify", "--check", "--orphans")
        assert (said.returncode, said.stdout) == (0, "Everything agrees.\n"), said.stdout
