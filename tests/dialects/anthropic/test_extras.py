"""C6: betas and the other headers of Anthropic's API are kept with a batch, sent upstream, and never silently dropped."""

import json
from typing import Any

import pytest
from anthropic import Anthropic
from django.utils import timezone

from batches.console.pages.acts.new_batch_form import as_query
from batches.models import Batch, Project
from batches.services.control.reroute import reroute
from batches.services.retry.resend import resend
from batches.services.retry.retry import retry
from batches.services.retry.selection import Selection
from providers.models import Provider
from tests.answers import refuse
from tests.api.conftest import Native, problem
from tests.api.conftest import request as native_request
from tests.cast import TESTER
from tests.conftest import Portal, Queue
from tests.dialects.anthropic.conftest import Api, request
from tests.dialects.conformance import FACES
from tests.upstream import Upstream

EXTRAS = {"betas": ["one-2026-01-01", "two-2026-02-02"], "version": "2026-10-21"}


@pytest.fixture
def claude(simulator: Provider, upstream: Upstream) -> Provider:
    """An upstream of Anthropic's kind, the portal's default."""
    return Provider.objects.create(
        name="claude", adapter="anthropic", base_url=upstream.base_url, is_default=True, options={"beta": "zero-1,one-2026-01-01"}
    )


def sent(upstream: Upstream) -> list[dict[str, str]]:
    """The headers of the API, request by request."""
    return [{name: value for name, value in each.headers.items() if name.startswith("anthropic-")} for each in upstream.requests]


def beta_headers(**more: str) -> dict[str, str]:
    return {"anthropic-beta": "one-2026-01-01,two-2026-02-02, one-2026-01-01"} | more


def created(api: Api, *requests: Any, **headers: str) -> Batch:
    document = json.dumps({"requests": list(requests) or [request()]}).encode()
    answer = api.call(
        "POST", "/v1/messages/batches", data=document, content_type="application/json", headers=beta_headers(**headers)
    )
    assert answer.status == 200, answer.content
    return Batch.objects.latest("created_at")


def test_the_sdks_betas_reach_the_upstream_beside_the_providers_own(
    portal: Portal, claude: Provider, upstream: Upstream, queue: Queue
) -> None:
    client = Anthropic(base_url=portal.url, api_key=portal.key, max_retries=0)
    hello: Any = {"custom_id": "a", "params": {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "?"}]}}
    made = client.beta.messages.batches.create(requests=[hello], betas=["two-2026-02-02", "one-2026-01-01"])
    queue.run_until(lambda: client.beta.messages.batches.retrieve(made.id).processing_status == "ended")
    (headers,) = sent(upstream)
    assert headers["anthropic-beta"] == "zero-1,one-2026-01-01,two-2026-02-02"
    assert headers["anthropic-version"] == client.default_headers["anthropic-version"]


def test_a_batch_without_them_is_sent_as_its_provider_has_it(
    api: Api, claude: Provider, upstream: Upstream, queue: Queue
) -> None:
    del api.headers["anthropic-version"]
    api.create(request("a"))
    queue.run_until(lambda: Batch.objects.get().is_terminal)
    assert sent(upstream) == [{"anthropic-beta": "zero-1,one-2026-01-01", "anthropic-version": "2023-06-01"}]
    assert Batch.objects.get().extras is None


def test_a_version_of_the_provider_goes_before_that_of_a_batch(
    api: Api, claude: Provider, upstream: Upstream, queue: Queue
) -> None:
    Provider.objects.filter(pk=claude.pk).update(options={"version": "2023-01-01"})
    created(api, **{"anthropic-user-profile-id": "user_7"})
    queue.run_until(lambda: Batch.objects.get().is_terminal)
    (headers,) = sent(upstream)
    assert headers["anthropic-version"] == "2023-01-01"
    assert headers["anthropic-user-profile-id"] == "user_7"


@pytest.mark.parametrize(
    "headers",
    [
        {"anthropic-beta": "two words"},
        {"anthropic-beta": "good-1,-bad"},
        {"anthropic-beta": "x" * 101},
        {"anthropic-beta": ",".join(f"b-{number}" for number in range(21))},
        {"anthropic-beta": "naïve"},
        {"anthropic-version": "tomorrow"},
        {"anthropic-user-profile-id": "a b"},
        {"anthropic-workspace-id": "wrkspc_1"},
    ],
)
def test_what_cannot_be_sent_is_refused_and_named(api: Api, headers: dict[str, str]) -> None:
    document = json.dumps({"requests": [request()]}).encode()
    answer = api.call("POST", "/v1/messages/batches", data=document, content_type="application/json", headers=headers)
    assert (answer.status, answer.error["type"]) == (400, "invalid_request_error")
    assert next(iter(headers)) in answer.error["message"]
    assert not Batch.objects.exists()


@pytest.mark.parametrize("beta", ["", " ", ",", " , "])
def test_an_empty_header_names_nothing(api: Api, beta: str) -> None:
    document = json.dumps({"requests": [request()]}).encode()
    headers = {"anthropic-beta": beta, "anthropic-version": ""}
    answer = api.call("POST", "/v1/messages/batches?beta=true", data=document, content_type="application/json", headers=headers)
    assert answer.status == 200
    assert Batch.objects.get().extras is None


def test_retries_edits_and_reroutes_carry_them(api: Api, claude: Provider, upstream: Upstream, queue: Queue) -> None:
    upstream.behave(lambda _: refuse(400))
    batch = created(api, request("a"))
    queue.run_until(lambda: Batch.objects.get().is_terminal)
    now = timezone.now()
    batch.refresh_from_db()
    child = retry(batch, selection=Selection(), actor=TESTER, now=now).batch
    assert child.extras == EXTRAS
    second = Provider.objects.create(name="second", adapter="anthropic", base_url=upstream.base_url)
    reroute(child, provider_name="second", actor=TESTER, now=now)
    queue.run_until(lambda: Batch.objects.get(pk=child.pk).is_terminal)
    assert Batch.objects.get(pk=child.pk).provider == second
    assert sent(upstream)[-1] == {"anthropic-beta": "one-2026-01-01,two-2026-02-02", "anthropic-version": "2026-10-21"}
    child.refresh_from_db()
    body = json.dumps(request()["params"] | {"max_tokens": 65})
    assert resend(child, line=1, body=body, actor=TESTER, now=now).batch.extras == EXTRAS


def test_a_clone_has_them_in_its_form(api: Api) -> None:
    query = as_query(created(api))
    assert (query["betas"], query["version"]) == ("one-2026-01-01,two-2026-02-02", "2026-10-21")


def test_the_native_api_takes_and_shows_them(key: str, simulator: Provider) -> None:
    native = Native(key)
    asked: dict[str, Any] = {"endpoint": "/v1/messages", "requests": [native_request("a")], "provider": "simulator"}
    made = native.create(**asked, extras=EXTRAS).json
    assert made["extras"] == EXTRAS | {"user_profile": ""}
    assert native.create(**asked).json["extras"] is None
    by_header = native.create(**asked, headers={"anthropic-beta": "a-1"}).json
    assert by_header["extras"] == {"betas": ["a-1"], "version": "", "user_profile": ""}
    wrong: list[dict[str, Any]] = [{"betas": ["a b"]}, {"version": "x"}, {"unknown": 1}, {"betas": "a"}]
    for extras in wrong:
        assert problem(native.create(**asked, extras=extras))["code"] in ("invalid_value", "invalid_type", "unknown_parameter")
    elsewhere = native.create(**asked | {"endpoint": "/v1/chat/completions"}, extras=EXTRAS)
    assert "no meaning" in problem(elsewhere)["message"]


def test_other_dialects_keep_them_for_messages_and_refuse_them_elsewhere(key: str, simulator: Provider) -> None:
    face = FACES["bifrost"](key)
    item = {"custom_id": "a", "params": request()["params"]}
    answer = face.create_from({"model": "simulator/m", "requests": [item]}, anthropic_beta="a-1", anthropic_version="2023-06-01")
    assert answer.status == 200
    assert Batch.objects.get().extras == {"betas": ["a-1"], "version": "2023-06-01"}
    refused = face.create("b", anthropic_beta="a-1")
    assert refused.status == 400
    assert "anthropic-beta" in face.problem(refused)
    assert face.create("b", anthropic_version="2023-06-01").status == 200, "gateways send it with everything"


@pytest.mark.parametrize("header", ["OpenAI-Organization", "OpenAI-Project", "OpenAI-Beta"])
def test_what_openais_clients_send_of_themselves_is_harmless(
    key: str, project: Project, simulator: Provider, header: str
) -> None:
    face = FACES["openai"](key)
    assert face.create_from(face.document(["a"], failing=[]), **{header: "something"}).status == 200
