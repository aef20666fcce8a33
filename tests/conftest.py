"""The fixtures that everybody uses: a small cast (project, key, simulator), the portal over HTTP, the queue, a browser."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

import hypothesis
import pytest
from celery import Celery, current_app
from django.conf import settings as portal_settings
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import TransactionTestCase
from playwright.sync_api import Browser, Page, expect, sync_playwright
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from batches.engine import gc_tuning
from batches.models import ApiKey, Project
from batches.services.telemetry import log_context
from providers.models import Provider
from tests import chromium, waiting
from tests.emptying import empty
from tests.extent import Extent, belongs, shared
from tests.migrated import migrated_file
from tests.waiting import PATIENCE

# The same examples in every run, however slow the machine is. None is kept for the next run, which has them anyway.
hypothesis.settings.register_profile(
    "gate", derandomize=True, deadline=None, database=None, suppress_health_check=list(hypothesis.HealthCheck)
)
hypothesis.settings.load_profile("gate")

# Playwright's own event loop runs in the tests' thread, which Django takes for an asynchronous context.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

QUEUES = ("control", "execute", "notify")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--extent", type=Extent, choices=list(Extent), default=Extent.DOUBLE, help="how much of the suite runs")


def pytest_report_header(config: pytest.Config) -> str:
    return f"portal: {'embedded (SQLite, in-memory broker)' if portal_settings.EMBEDDED else 'PostgreSQL and Redis'}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests that this session does not run, and put the tests with a browser last.

    Once it is started, Playwright's event loop runs in this thread, and the engine cannot run its own beside it.
    """
    extent = config.getoption("extent")
    waiting.judges_seconds = extent in (Extent.DOUBLE, Extent.PROOF)
    kept: list[pytest.Item] = []
    left_out: list[pytest.Item] = []
    for item in items:
        (kept if belongs(item, extent=extent, embedded=portal_settings.EMBEDDED) else left_out).append(item)
    config.hook.pytest_deselected(items=left_out)
    items[:] = sorted(kept, key=lambda item: "browser" in getattr(item, "fixturenames", ()))
    for item in items:
        if group := shared(item):
            item.add_marker(pytest.mark.xdist_group(group))


def pytest_collection_finish() -> None:
    """The thousands of tests stay until the end: the garbage collector need not look through them."""
    gc_tuning.tune()


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """Whether the tests' database is there already: on SQLite it is a copy of a migrated one."""
    return portal_settings.EMBEDDED


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    if portal_settings.EMBEDDED:
        shutil.copy(migrated_file(), portal_settings.DATABASES["default"]["TEST"]["NAME"])


@pytest.fixture(scope="session", autouse=True)
def quick_emptying() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", empty)
        yield


@pytest.fixture(autouse=True)
def no_ids() -> None:
    """What one test noted outside a request is in no log line of the next."""
    log_context.keep({})


@pytest.fixture(autouse=True)
def no_attempts() -> None:
    """Sign-ins that failed in one test do not count in the next."""
    cache.clear()


@pytest.fixture(autouse=True)
def media_root(tmp_path: Path, settings: Settings) -> Path:
    """Every test has a file storage of its own."""
    settings.MEDIA_ROOT = tmp_path / "files"
    return tmp_path / "files"


# --- The cast ----------------------------------------------------------------------------------------------


@pytest.fixture
def project(db: None) -> Project:
    """A tenant."""
    return Project.objects.create(slug="acme", name="Acme")


@pytest.fixture
def other_project(db: None) -> Project:
    """A tenant that must never see anything of `project`."""
    return Project.objects.create(slug="globex", name="Globex")


@pytest.fixture
def key(project: Project) -> str:
    """The plain text of an API key of `project`."""
    return ApiKey.issue(project=project, name="tests")[1]


@pytest.fixture
def other_key(other_project: Project) -> str:
    """The plain text of an API key of `other_project`."""
    return ApiKey.issue(project=other_project, name="tests")[1]


@pytest.fixture
def simulator(db: None) -> Provider:
    """The built-in provider. The migration makes it, and the end of a transactional test wipes it away."""
    return Provider.objects.get_or_create(
        name="simulator", defaults={"adapter": "simulator", "is_default": True, "granted_to_all": True}
    )[0]


@pytest.fixture
def operator(db: None) -> User:
    """A user who may do everything in the console; the password is `operator`."""
    return User.objects.create_superuser("operator", password="operator")


# --- The portal over HTTP ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Portal:
    """A portal that listens: its address, and the plain text of an API key of `project`."""

    url: str
    key: str


@pytest.fixture
def portal(live_server: LiveServer, simulator: Provider, key: str) -> Portal:
    """The portal over real HTTP, in this process. Its wakes wait in the queue (see `queue`)."""
    return Portal(url=live_server.url, key=key)


# --- The queue ---------------------------------------------------------------------------------------------


class Queue:
    """The worker of the tests: it runs announced tasks, one after the other, in the test's own thread."""

    def __init__(self, app: Celery) -> None:
        self.app = app

    def drain(self) -> int:
        """Run tasks until no message waits. Return the number of tasks. An error of a task is raised."""
        ran = 0
        while any(self._run_next(name) for name in QUEUES):
            ran += 1
        return ran

    def run_until(self, condition: Callable[[], bool]) -> None:
        """Drain the queue, and reconcile as the beat does, until the condition holds. Fails after PATIENCE seconds."""
        deadline = monotonic() + PATIENCE
        while True:
            self.drain()
            if condition():
                return
            assert monotonic() < deadline, "The queue ran for long, and what was waited for did not come about."
            self.app.tasks["batches.engine.reconcile"].apply(throw=True)
            sleep(0.05)

    def clear(self) -> None:
        """Drop all messages, like a broker that lost its memory."""
        with self.app.connection_for_read() as connection:
            for name in QUEUES:
                with connection.SimpleQueue(name) as waiting:
                    waiting.clear()

    def _run_next(self, name: str) -> bool:
        with self.app.connection_for_read() as connection, connection.SimpleQueue(name) as waiting:
            try:
                message = waiting.get(block=False)
            except waiting.Empty:
                return False
            message.ack()
        args, kwargs, _ = message.payload
        self.app.tasks[message.headers["task"]].apply(args, kwargs, throw=True)
        return True


@pytest.fixture
def queue(transactional_db: None, simulator: Provider) -> Iterator[Queue]:
    """The engine under the control of the test: tasks run only in `queue.drain()` and `queue.run_until(...)`."""
    app: Celery = current_app
    app.loader.import_default_modules()
    queue = Queue(app)
    queue.clear()
    yield queue
    queue.clear()


# --- The browser -------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for the whole session."""
    expect.set_options(timeout=PATIENCE * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.executable(), args=list(chromium.ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A fresh, signed-out window. A script error on a page fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(PATIENCE * 1000)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert not errors, errors
