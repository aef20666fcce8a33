"""The execution of a batch, as each create call that can carry it asks for it."""

from collections.abc import Callable
from typing import Any

import pytest

from batches.models import Batch, File, IdempotencyRecord, Project
from batches.rules.execution import Execution
from providers.models import Provider
from tests.api.conftest import Native, request
from tests.cast import provider_at
from tests.dialects.bifrost.conftest import Bifrost, item
from tests.dialects.openai.conftest import CHAT, Answer, Api

pytestmark = pytest.mark.django_db
Create = Callable[..., Answer]


def by_openai(key: str, headers: dict[str, str] | None = None, **wish: Any) -> Answer:
    body = {"endpoint": CHAT, "provider": "local", "requests": [item()], **wish}
    return _post(Api(key), "/v1/batches", body, headers)


def by_openai_over_a_file(key: str, headers: dict[str, str] | None = None, **wish: Any) -> Answer:
    api = Api(key)
    body = {"input_file_id": api.file_id(), "endpoint": CHAT, "completion_window": "24h", "provider": "local", **wish}
    return _post(api, "/v1/batches", body, headers)


def by_bifrost(key: str, headers: dict[str, str] | None = None, **wish: Any) -> Answer:
    return _post(Bifrost(key), "/bifrost/v1/batches", {"model": "local/m", "requests": [item()], **wish}, headers)


def by_novita(key: str, headers: dict[str, str] | None = None, **wish: Any) -> Answer:
    api = Api(key)
    return _post(api, "/openai/v1/batches", {"input_file_id": api.file_id(), "endpoint": CHAT, **wish}, headers)


def by_native(key: str, headers: dict[str, str] | None = None, **wish: Any) -> Answer:
    return Native(key).create(provider="local", requests=[request("a")], headers=headers, **wish)


def _post(api: Api, path: str, body: dict[str, Any], headers: dict[str, str] | None) -> Answer:
    api.headers |= headers or {}
    return api.post(path, body)


EVERY = pytest.mark.parametrize("create", [by_openai, by_openai_over_a_file, by_bifrost, by_novita, by_native])
KEPT = pytest.mark.parametrize("create", [by_openai, by_bifrost, by_native])  # their requests are in the call


@pytest.fixture(autouse=True)
def provider(project: Project) -> Provider:
    """A provider with a batch API, at which the project may delegate."""
    project.may_delegate = True
    project.save()
    return provider_at("http://127.0.0.1:9", jobs_family="openai")


def message(answer: Answer) -> str:
    found = answer.json
    return str(found["error"]["message"])


@EVERY
@pytest.mark.parametrize("wish", Execution.values)
def test_every_create_call_can_ask_for_an_execution(key: str, create: Create, wish: str) -> None:
    assert create(key, execution=wish).status in (200, 201)
    batch = Batch.objects.get()
    assert (batch.execution, batch.execution_asked, batch.execution_reason) == (wish, wish, "The batch asks for it.")


@EVERY
@pytest.mark.parametrize("wish", [{}, {"execution": None}])
def test_without_a_wish_the_project_or_the_provider_decides(
    key: str, create: Create, project: Project, wish: dict[str, None]
) -> None:
    project.execution = "hybrid"
    project.save()
    assert create(key, **wish).status in (200, 201)
    batch = Batch.objects.get()
    assert (batch.execution, batch.execution_asked) == ("hybrid", "")
    assert batch.execution_reason == "Project acme asks for it."


@EVERY
@pytest.mark.parametrize("wish", ["delegated", "hybrid"])
def test_an_impossible_wish_is_refused_and_changes_nothing(key: str, create: Create, project: Project, wish: str) -> None:
    project.may_delegate = False
    project.save()

    answer = create(key, execution=wish)

    assert answer.status == 400
    assert message(answer) == "Project acme does not allow its requests to be stored at a provider."
    assert answer.json["error"]["param"] == "execution"
    assert answer.json["error"]["code"] == "cannot_delegate"
    assert not Batch.objects.exists()
    assert not IdempotencyRecord.objects.exists()
    assert not File.objects.filter(filename="requests.jsonl").exists()


@EVERY
def test_a_provider_without_a_batch_api_is_named(key: str, create: Create, provider: Provider) -> None:
    Provider.objects.filter(pk=provider.pk).update(jobs_family="")
    assert message(create(key, execution="hybrid")) == "No batch API of provider local is set up."


@EVERY
def test_auto_is_never_refused(key: str, create: Create, project: Project) -> None:
    project.may_delegate = False
    project.save()
    assert create(key, execution="auto").status in (200, 201)
    batch = Batch.objects.get()
    assert (batch.execution, batch.execution_asked) == ("direct", "auto")
    assert "does not allow" in batch.execution_reason


@EVERY
@pytest.mark.parametrize("word", ["fast", "", 7])
def test_an_unknown_word_names_the_field(key: str, create: Create, word: object) -> None:
    answer = create(key, execution=word)
    assert answer.status == 400
    assert answer.json["error"]["param"] == "execution"
    assert "execution" in message(answer)
    assert not Batch.objects.exists()


@KEPT
def test_the_wish_is_part_of_a_repeated_call(key: str, create: Create) -> None:
    named = {"Idempotency-Key": "one"}
    first = create(key, headers=named, execution="hybrid")
    assert first.status in (200, 201)

    assert create(key, headers=named, execution="hybrid").json["id"] == first.json["id"]
    other = create(key, headers=named, execution="direct")

    assert other.status == 400
    assert other.json["error"]["code"] == "idempotency_key_reused"
    assert Batch.objects.count() == 1


def test_a_dry_run_tells_that_a_wish_cannot_be_met(key: str, project: Project) -> None:
    project.may_delegate = False
    project.save()
    found = by_native(key, execution="delegated", dry_run=True).json
    assert found["valid"] is False
    assert [(problem["code"], problem["param"]) for problem in found["problems"]] == [("cannot_delegate", "execution")]


def test_a_batch_of_the_native_api_says_how_it_runs_and_why(key: str) -> None:
    shown = by_native(key, execution="hybrid").json
    assert (shown["execution"], shown["execution_reason"]) == ("hybrid", "The batch asks for it.")
    assert shown["delegation"] == {
        "jobs": dict.fromkeys(("preparing", "sending", "uncertain", "running", "collecting", "ended", "refused"), 0),
        **dict.fromkeys(("cost", "direct_cost", "saved", "paid_in_vain"), "0.000000"),
        "duplicates": 0,
        "late": 0,
        "currency": "USD",
    }
    assert shown["links"]["provider_jobs"].endswith(f"/api/v1/batches/{shown['id']}/provider_jobs")
    assert by_native(key).json["delegation"] is None
