"""A rolling upgrade: processes of the release before go on after the migration, alone and then beside new ones."""

import contextlib
import re
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest

from tests.chaos.stage import KNOBS, Stage
from tests.processes import ROOT, PortalProcess, portal_process
from tests.servers import free_port
from tests.upstream import Upstream
from tests.waiting import PATIENCE

LINES = 400
ROLES = ("control", "execute", "beat")
SETTINGS = KNOBS | {"DJANGO_SETTINGS_MODULE": "config.settings", "EXECUTORS": "2"}


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code of the latest release, from the commit that CHANGELOG.md names."""
    named = re.search(r"^## [\d.]+\n\nCommit `(\w+)`", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert named is not None
    archive = subprocess.run(["git", "archive", named[1]], cwd=ROOT, capture_output=True, check=False)
    if archive.returncode:
        pytest.skip(f"this clone has no commit {named[1]}")
    folder = tmp_path_factory.mktemp("release")
    with tarfile.open(fileobj=BytesIO(archive.stdout)) as content:
        content.extractall(folder, filter="data")
    return folder


@contextlib.contextmanager
def running(portal: PortalProcess, *commands: tuple[str, ...]) -> Iterator[None]:
    """Processes in the folder of a portal's code, until the end of the block. They are told to stop, and have to."""
    environment = portal.environment | {"PYTHONPATH": str(portal.root), "PYTHONWARNINGS": "ignore"}
    log = (portal.folder / "processes.log").open("ab")
    processes = [
        subprocess.Popen([sys.executable, *words], cwd=portal.root, env=environment, stdout=log, stderr=log) for words in commands
    ]
    try:
        yield
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            process.wait(PATIENCE)
    finally:
        for process in processes:
            process.kill()
            process.wait()
        log.close()


def roles(*names: str) -> list[tuple[str, ...]]:
    return [("manage.py", "serve", name) for name in names]


@pytest.mark.long
@pytest.mark.servers
def test_the_release_before_goes_on_with_a_migrated_database(db: None, tmp_path: Path, release: Path) -> None:
    web = str(Path(__file__).parent / "old_web.py")
    with Upstream() as upstream, portal_process(tmp_path, **SETTINGS) as new:
        old = PortalProcess(new.environment | {"PORT": str(free_port())}, folder=new.folder, root=release)
        added = old.manage("provider", "add", "local", "--adapter", "openai", "--base-url", upstream.base_url, "--default")
        key = old.manage("apikey", "create", "--project", "acme", "--name", "nightly").stdout.strip()
        assert added.returncode == 0, added.stderr
        at_old, at_new = Stage(old, upstream, key), Stage(new, upstream, key)
        with running(old, *roles(*ROLES), (web,)):
            old.wait_until_ready()
            alone = at_old.begin(LINES)

            whole = at_old.wait_until_ended(alone)

            assert whole["request_counts"]["total"] == LINES == len(at_old.results(whole)[0]) + len(at_old.results(whole)[1])
            spanning = at_old.submit(LINES)
            at_old.wait_until_answered(spanning, 0.2)
            with running(new, *roles("web", "control", "execute", "delegate")):
                new.wait_until_ready()
                both = [at_old.submit(LINES), at_new.submit(LINES)]
                ended = [at_new.wait_until_ended(run) for run in (spanning, *both)]
                assert [at_old.look(run)["status"] for run in both] == ["completed"] * 2
        assert [batch["request_counts"]["total"] for batch in ended] == [LINES] * 3
        said = new.manage("verify", "--check", "--orphans")
        assert (said.returncode, said.stdout) == (0, "Everything agrees.\n"), said.stdout
        log = (tmp_path / "processes.log").read_text()
        assert "Traceback" not in log, log[-8000:]
        keys = [request.idempotency_key for request in upstream.requests]
        assert len(set(keys)) == 4 * LINES == len(keys)
