"""A portal that is backed up in the middle of a batch, lost with all it had, and restored: as real processes."""

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import boto3
import pytest
from cryptography.fernet import Fernet
from moto.server import ThreadedMotoServer

from tests.answers import Answer, Request, succeed
from tests.chaos.client import marker, usual
from tests.chaos.stage import KNOBS, Stage
from tests.processes import PortalProcess, portal_process, scratch_database
from tests.servers import free_port, own_redis_url
from tests.upstream import Upstream

LINES = 600
ANSWERED = 200  # lines that are answered before the disaster; the others wait for their answer meanwhile
SETTINGS = KNOBS | {
    "CREDENTIAL_KEYS": Fernet.generate_key().decode(),
    "DJANGO_SETTINGS_MODULE": "config.settings",
    "REQUEST_TIMEOUT_SECONDS": "120",
}


@dataclass
class Kept:
    """Where files and backups are: as settings of the old and of the new portal, and as the address of a backup."""

    before: dict[str, str]
    after: dict[str, str]
    place: str


@pytest.fixture
def on_disk(tmp_path: Path) -> Kept:
    """Files in the data folder of each portal."""
    return Kept({}, {}, str(tmp_path / "backup"))


@pytest.fixture
def in_buckets() -> Iterator[Kept]:
    """Files in a bucket of each portal, and the backup in a third one."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    access = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
    settings = access | {"S3_ENDPOINT_URL": f"http://{host}:{port}"}
    client = boto3.client("s3", endpoint_url=settings["S3_ENDPOINT_URL"], aws_access_key_id="key", aws_secret_access_key="secret")
    for name in ("before", "after", "backups"):
        client.create_bucket(Bucket=name)
    yield Kept(settings | {"S3_BUCKET": "before"}, settings | {"S3_BUCKET": "after"}, "s3://backups/nightly/1")
    server.stop()


@pytest.fixture
def empty_system(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The settings of a portal whose database and data folder are new. It is removed with its processes."""
    folder = tmp_path / "restored"
    settings = {"BATCHYARD_DATA": str(folder), "PORT": str(free_port()), "DRAIN_SECONDS": "0"}
    server = os.environ.get("TEST_DATABASE_URL")
    if not server:
        yield settings
        return
    with scratch_database(server) as url:
        redis = urlunsplit(urlsplit(own_redis_url())._replace(path="/8"))
        yield settings | {"DATABASE_URL": url, "REDIS_URL": redis}


@pytest.mark.alike
def test_a_batch_goes_on_after_the_restore_and_nothing_that_had_an_outcome_is_sent_again(
    db: None, tmp_path: Path, on_disk: Kept, empty_system: dict[str, str]
) -> None:
    go_through(on_disk, tmp_path, empty_system)


@pytest.mark.long
@pytest.mark.servers
def test_so_it_does_with_files_and_backup_on_s3(db: None, tmp_path: Path, in_buckets: Kept, empty_system: dict[str, str]) -> None:
    go_through(in_buckets, tmp_path, empty_system)


def go_through(kept: Kept, tmp_path: Path, empty_system: dict[str, str]) -> None:
    with Upstream() as upstream:
        with portal_process(tmp_path / "lost", **SETTINGS | kept.before) as lost:
            before = begun(lost, upstream)
            before.wait_until_ended(before.begin(20))
            run = before.begin(LINES, slowly)
            before.wait_until_answered(run, ANSWERED / LINES)
            said = lost.manage("backup", kept.place)
            assert (said.returncode, said.stderr) == (0, ""), said.stderr
            assert lost.process is not None
            lost.process.send_signal(signal.SIGKILL)
        bare = {name: value for name, value in lost.environment.items() if name not in {"DATABASE_URL", "REDIS_URL"}}
        restored = PortalProcess(bare | kept.after | empty_system, folder=Path(empty_system["BATCHYARD_DATA"]))
        after = Stage(restored, upstream, before.key)
        try:
            said = restored.manage("restore", kept.place)
            assert said.returncode == 0, said.stderr
            verified = restored.manage("verify", "--check", "--orphans")
            assert (verified.returncode, verified.stdout) == (0, "Everything agrees.\n"), verified.stdout
            settled = {name for (name,) in after.rows("SELECT custom_id FROM batches_batchobject WHERE settled_at IS NOT NULL")}
            assert len(settled) == ANSWERED
            upstream.forget()
            upstream.behave(usual)
            restored.start()

            if "S3_BUCKET" in kept.after:
                after.wait_until_ended(run)
                assert_files_are_whole(after, run.id)
            else:
                after.assert_one_outcome_each(run)

            assert {name for name, _ in after.sent()} & settled == set()
            assert len(after.sent()) == len(set(after.sent())) == LINES - len(settled)
        finally:
            for pid in restored.pids():
                os.kill(pid, signal.SIGKILL)
            restored.wait_until_gone()


def slowly(request: Request) -> Answer:
    """The usual answer for the first lines; none in time for the others."""
    return usual(request) if int(marker(request).rpartition("-")[2]) < ANSWERED else succeed(delay=60.0)


def begun(portal: PortalProcess, upstream: Upstream) -> Stage:
    """A portal that runs, with the upstream as its default provider."""
    words = ("--adapter", "openai", "--base-url", upstream.base_url, "--default")
    added = portal.manage("provider", "add", "local", *words)
    key = portal.manage("apikey", "create", "--project", "acme", "--name", "nightly")
    assert (added.returncode, key.returncode) == (0, 0), added.stderr + key.stderr
    portal.start()
    return Stage(portal, upstream, key.stdout.strip())


def assert_files_are_whole(stage: Stage, batch_id: str) -> None:
    """Assert that the batch ended with an outcome for each object."""
    batch = json.loads(stage.ask(f"/v1/batches/{batch_id}"))
    output, error = stage.results(batch)
    assert len(output) + len(error) == LINES == batch["request_counts"]["total"]
