"""`/healthz`, `/readyz` and `/readyz/web`."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from batches.models import EmergencyStop, Project, Stopped, Worker
from tests.servers import free_port


def a_worker_seen(*, seconds_ago: float, role: str = Worker.Role.CONTROL) -> None:
    now = timezone.now()
    Worker.objects.create(role=role, name="somewhere", started_at=now, seen_at=now - timedelta(seconds=seconds_ago))


def test_a_portal_is_alive_whatever_its_database_does(client: Client) -> None:
    # Without the `db` fixture every query would fail this test.
    assert client.get("/healthz").json() == {"status": "alive"}


def test_a_web_server_takes_requests_whatever_its_database_does(client: Client) -> None:
    assert client.get("/readyz/web").json() == {"status": "ready"}


@pytest.mark.django_db
def test_a_portal_with_a_live_control_worker_is_ready(client: Client) -> None:
    a_worker_seen(seconds_ago=3)

    answer = client.get("/readyz")

    assert answer.status_code == 200
    assert answer.json() == {"status": "ready", "checks": {"database": "ok", "broker": "ok", "worker": "ok"}}


@pytest.mark.django_db
def test_an_executor_and_a_dead_worker_are_no_live_control_worker(client: Client) -> None:
    a_worker_seen(seconds_ago=0, role=Worker.Role.EXECUTE)
    a_worker_seen(seconds_ago=60)

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["status"] == "not ready"
    assert answer.json()["checks"] == {
        "database": "ok",
        "broker": "ok",
        "worker": "no control worker was seen in the last 15 seconds",
    }


@pytest.mark.servers
@pytest.mark.django_db
def test_a_redis_that_does_not_answer_is_what_is_missing(client: Client, settings: Settings) -> None:
    a_worker_seen(seconds_ago=0)
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["checks"] == {"database": "ok", "broker": "Redis does not answer", "worker": "ok"}


@pytest.fixture
def a_database_that_does_not_answer(transactional_db: None) -> Iterator[None]:
    was = connection.settings_dict["HOST"], connection.settings_dict["PORT"]
    connection.close()
    connection.settings_dict.update(HOST="127.0.0.1", PORT=str(free_port()))
    yield
    connection.settings_dict.update(HOST=was[0], PORT=was[1])


@pytest.mark.servers
def test_a_database_that_does_not_answer_is_what_is_missing(client: Client, a_database_that_does_not_answer: None) -> None:
    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["checks"] == {
        "database": "the database does not answer",
        "broker": "ok",
        "worker": "unknown, because the database does not answer",
    }


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/readyz/web"])
def test_a_probe_only_reads(client: Client, path: str) -> None:
    assert client.post(path).status_code == 405


def test_a_probe_may_ask_for_the_head_only(client: Client) -> None:
    answer = client.head("/healthz")

    assert (answer.status_code, answer.content) == (200, b"")
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.django_db
def test_an_emergency_stop_is_told_without_a_name_and_fails_nothing(client: Client, project: Project) -> None:
    a_worker_seen(seconds_ago=0)
    about = {"reason": "Only for tenants.", "began_at": timezone.now(), "began_by": "user root"}
    EmergencyStop.objects.create(what=Stopped.SENDING, **about)
    EmergencyStop.objects.create(what=Stopped.SENDING, project=project, **about)
    EmergencyStop.objects.create(what=Stopped.INTAKE, project=project, **about)
    EmergencyStop.objects.create(what=Stopped.INTAKE, ended_at=timezone.now(), **about)

    answer = client.get("/readyz")

    assert (answer.status_code, answer.json()["status"]) == (200, "ready")
    assert answer.json()["stopped"] == {"sending": "the whole portal", "intake": "1 project"}
    assert "acme" not in answer.content.decode()
