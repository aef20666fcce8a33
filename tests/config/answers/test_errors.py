"""What a person or a client gets while the database does not answer (E17), in whatever place that is noticed."""

from collections.abc import Callable

import pytest
from django.db import InterfaceError, OperationalError, connection
from django.test import Client

from batches.models import Project

Block = Callable[[type[Exception]], object]


@pytest.fixture
def without_database(db: None) -> Callable[[type[Exception]], object]:
    """Have every statement fail as if the database were away, within a block."""

    def block(error: type[Exception]) -> object:
        def fail(*_: object) -> None:
            raise error("the server closed the connection unexpectedly at 10.0.0.7")

        return connection.execute_wrapper(fail)

    return block


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
@pytest.mark.parametrize("path", ["/console/", "/console/batches/", "/admin/"])
def test_a_page_says_503_and_when_to_come_back(
    without_database: Block, operator: object, error: type[Exception], path: str
) -> None:
    client = Client(raise_request_exception=False)
    client.force_login(operator)  # type: ignore[arg-type]

    with without_database(error):  # type: ignore[attr-defined]
        answer = client.get(path)

    assert answer.status_code == 503
    assert answer["Retry-After"] == "1"
    assert "The database does not answer" in answer.content.decode()
    assert "10.0.0.7" not in answer.content.decode()


@pytest.mark.parametrize("path", ["/v1/batches", "/openai/v1/batches", "/bifrost/v1/batches?provider=x", "/api/v1/batches"])
def test_a_client_hears_503_in_its_own_words(without_database: Block, project: Project, key: str, path: str) -> None:
    client = Client(raise_request_exception=False, headers={"Authorization": f"Bearer {key}"})

    with without_database(OperationalError):  # type: ignore[attr-defined]
        answer = client.get(path)

    assert answer.status_code == 503
    assert answer["Retry-After"] == "1"
    assert "10.0.0.7" not in answer.content.decode()
    assert answer.json()


def test_any_other_mistake_stays_a_500(without_database: Block, operator: object) -> None:
    client = Client(raise_request_exception=False)
    client.force_login(operator)  # type: ignore[arg-type]

    with without_database(RuntimeError):  # type: ignore[attr-defined]
        answer = client.get("/console/")

    assert answer.status_code == 500
    assert "Retry-After" not in answer


@pytest.mark.parametrize("path", ["/v1/nothing", "/batches", "/v1/v1/messages/batches", "/openai/deployments/m/chat/completions"])
def test_c15_advice_needs_no_page(db: None, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A portal whose static files were not collected cannot make one."""

    def missing(*_: object) -> None:
        raise ValueError("Missing staticfiles manifest entry for 'console/logo.svg'")

    monkeypatch.setattr("django.contrib.staticfiles.storage.staticfiles_storage.url", missing)
    answer = Client(raise_request_exception=False).get(path)
    assert (answer.status_code, "There is nothing at GET" in answer.json()["error"]["message"]) == (404, True)
    browser = Client(raise_request_exception=False, headers={"Accept": "text/html"})
    page = browser.get("/nowhere")
    assert (page.status_code, "collectstatic" in page.content.decode()) == (404, True)


@pytest.mark.parametrize("path", ["/v1/nothing", "/v1/batches", "/v1/messages/batches"])
def test_c17_a_foreign_host_is_refused_in_anthropics_words(db: None, path: str) -> None:
    client = Client(raise_request_exception=False, headers={"Host": "foreign.example", "anthropic-version": "2023-06-01"})
    answer = client.get(path)
    assert (answer.status_code, answer.json()["type"]) == (400, "error")
    assert "ALLOWED_HOSTS" in answer.json()["error"]["message"]
