"""One portal for all tests of this folder. Each test harms it, and proves that it has recovered before the next test."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.faults import Servers
from tests.chaos.stage import Stage, stage


@pytest.fixture(scope="package")
def servers() -> Iterator[Servers]:
    """A PostgreSQL and a Redis for these tests alone."""
    with tempfile.TemporaryDirectory(prefix="batchyard-chaos-") as folder:
        Path(folder).chmod(0o755)  # PostgreSQL may have to run as another user
        servers = Servers(Path(folder))
        try:
            yield servers
        finally:
            servers.stop()


@pytest.fixture(scope="package")
def _grown_up(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("TEST_DATABASE_URL", raising=False)
        folder = tmp_path_factory.mktemp("chaos")
        with stage(folder, DATABASE_URL=servers.database_url, REDIS_URL=servers.redis_url) as running:
            yield running


@pytest.fixture
def grown_up(_grown_up: Stage) -> Stage:
    """A portal on PostgreSQL and Redis that is ready. It is started again if the test before has left it dead."""
    process = _grown_up.portal.process
    if process is None or process.poll() is not None:
        _grown_up.portal.start()
    _grown_up.portal.wait_until_ready()
    return _grown_up
