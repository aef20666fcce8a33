"""U10 and U13: options of gateways, Azure among them, and a check of what has no list of models."""

from typing import Any

import msgspec
import pytest
from django.core.exceptions import ValidationError

from providers.base import Connection
from providers.check import check
from providers.failures import Kind
from providers.models import CredentialUnavailable, Provider, ProviderModel
from providers.online.model_names import model_of, renamed
from tests.answers import Request, refuse, say, succeed
from tests.providers.calls import CHAT, SECRET, call, failed, send
from tests.upstream import Upstream

HIDDEN = "gateway-secret-0123456789"


def asked(upstream: Upstream, options: dict[str, Any], *, adapter: str = "openai", root: str = "", **fields: Any) -> Request:
    """What an upstream with these options is asked, after one call."""
    connection = Connection("up", (upstream.origin + root).rstrip("/"), SECRET, options)
    send(adapter, connection, call(**fields))
    return upstream.requests[-1]


@pytest.mark.parametrize(
    ("options", "root", "endpoint", "path"),
    [
        ({"azure": "2024-10-21"}, "", CHAT, "/openai/deployments/m-small/chat/completions?api-version=2024-10-21"),
        ({"azure": "2025-01-01-preview"}, "/", "/v1/embeddings", None),
        ({"azure": "v1"}, "", CHAT, "/openai/v1/chat/completions"),
        ({"azure": "v1"}, "/openai/v1/", CHAT, "/openai/v1/chat/completions"),
        (
            {"azure": "v1", "query": {"api-version": "preview"}},
            "/openai",
            CHAT,
            "/openai/v1/chat/completions?api-version=preview",
        ),
        ({"azure": "2024-10-21", "models": {"m-small": "my deploy/ment"}}, "", CHAT, None),
        ({"path": "/x/{model}/y{endpoint}"}, "/base", CHAT, "/base/x/m-small/y/chat/completions"),
        ({"exact_root": True}, "/api", CHAT, "/api/chat/completions"),
        ({"exact_root": True}, "", "/v1/embeddings", "/embeddings"),
        ({"query": {"a b": "c"}}, "", CHAT, "bad"),
        ({"query": {"team": "a&b c"}}, "", CHAT, "/v1/chat/completions?team=a%26b%20c"),
    ],
)
def test_u10_a_request_goes_where_the_options_say(
    options: dict[str, Any], root: str, endpoint: str, path: str | None, upstream: Upstream
) -> None:
    if path == "bad":
        with pytest.raises(ValueError, match="query"):
            asked(upstream, options, root=root, endpoint=endpoint)
        return
    request = asked(upstream, options, root=root, endpoint=endpoint)
    others = {
        "2025-01-01-preview": "/openai/deployments/m-small/embeddings?api-version=2025-01-01-preview",
        "2024-10-21": "/openai/deployments/my%20deploy%2Fment/chat/completions?api-version=2024-10-21",
    }
    assert request.path == (path or others[options["azure"]])
    if "azure" in options:
        assert request.headers["api-key"] == SECRET
        assert "authorization" not in request.headers


@pytest.mark.parametrize("model", [None, "", ".", ".."])
def test_u10_a_request_without_a_model_has_no_deployment(model: str | None, upstream: Upstream) -> None:
    connection = Connection("up", upstream.origin, SECRET, {"azure": "2024-10-21"})
    body = {"messages": []} if model is None else {"model": model, "messages": []}
    found = failed(send("openai", connection, call(body))[0])
    assert (found.kind, found.param) == (Kind.INVALID_REQUEST, "model")
    assert upstream.requests == []


@pytest.mark.parametrize(
    ("auth", "headers"),
    [
        ("", {"authorization": f"Bearer {SECRET}"}),
        ("bearer", {"authorization": f"Bearer {SECRET}"}),
        ("api-key", {"api-key": SECRET}),
        ("none", {}),
    ],
)
def test_u10_the_key_is_sent_as_told(auth: str, headers: dict[str, str], upstream: Upstream) -> None:
    sent = asked(upstream, {"auth": auth}).headers
    assert {name: sent[name] for name in ("authorization", "api-key") if name in sent} == headers


@pytest.mark.parametrize("adapter", ["openai", "anthropic", "http"])
def test_u10_extra_headers_and_query_are_sent(adapter: str, upstream: Upstream) -> None:
    options = {"headers": {"HTTP-Referer": "https://portal.example", "user-agent": "ours"}, "query": {"team": "blue"}}
    endpoint = {"anthropic": "/v1/messages", "http": "/accounting/v1/invoices"}.get(adapter, CHAT)
    request = asked(upstream, options, adapter=adapter, endpoint=endpoint)
    assert request.headers["http-referer"] == "https://portal.example"
    assert request.headers["user-agent"] == "ours"
    assert request.path.endswith("?team=blue")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"headers": {"X-A": "b\r\nX-C: d"}}, "headers"),
        ({"headers": {"X A": "b"}}, "headers"),
        ({"headers": {"Host": "x"}}, "headers"),
        ({"headers": {"Content-Length": "1"}}, "headers"),
        ({"headers": {"Transfer-Encoding": "chunked"}}, "headers"),
        ({"headers": {"Authorization": {"env": "X"}}}, "headers"),
        ({"headers": {"X-A": "1", "x-a": "2"}}, "headers"),
        ({"headers": {"X-Api-Key": HIDDEN}}, "headers"),
        ({"headers": {"X-Access-Token": HIDDEN}}, "headers"),
        ({"query": {"api_key": HIDDEN}}, "query"),
        ({"query": {"a": "b\n"}}, "query"),
        ({"auth": "two words"}, "auth"),
        ({"auth": "Host"}, "auth"),
        ({"models": {"": "x"}}, "models"),
        ({"models": {"x": 5}}, "models"),
        ({"azure": "latest"}, "azure"),
        ({"azure": "v1", "exact_root": True}, "path"),
        ({"path": "/{deployment}{endpoint}"}, "path"),
        ({"path": "/only"}, "path"),
        ({"further_endpoints": ["v1/score"]}, "further_endpoints"),
        ({"further_endpoints": ["/v1/../x"]}, "further_endpoints"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_u10_a_bad_option_is_named_and_its_value_is_not_shown(options: dict[str, Any], named: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Provider(name="up", adapter="openai", base_url="https://x.example", options=options).clean()
    assert named in str(caught.value)
    assert HIDDEN not in str(caught.value)


def test_u10_authorization_can_be_something_else_when_the_key_is_not_sent_in_it(upstream: Upstream) -> None:
    options = {"auth": "none", "headers": {"Authorization": "Basic dXNlcjpwYXNz"}}
    assert asked(upstream, options).headers["authorization"] == "Basic dXNlcjpwYXNz"


# --- Names of models ---------------------------------------------------------------------------------------

NAMES = {"m": "vendor/m-2024", "é": 'q"uote'}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"model":"m","n":1.10}', b'{"model":"vendor/m-2024","n":1.10}'),
        (b'{ "n" : 1e5 ,\t"model"  :\n "m" }', b'{ "n" : 1e5 ,\t"model"  :\n "vendor/m-2024" }'),
        (b'{"model":"other"}', b'{"model":"other"}'),
        (b'{"messages":[{"model":"m"}],"model":"m"}', b'{"messages":[{"model":"m"}],"model":"vendor/m-2024"}'),
        (b'{"x":"model","model":"m"}', b'{"x":"model","model":"vendor/m-2024"}'),
        (b'{"x":"\\"model\\":\\"m\\"","model":"m"}', b'{"x":"\\"model\\":\\"m\\"","model":"vendor/m-2024"}'),
        (b'{"model":"m","model":"m"}', b'{"model":"vendor/m-2024","model":"vendor/m-2024"}'),
        (b'{"mod\\u0065l":"m"}', b'{"mod\\u0065l":"vendor/m-2024"}'),
        (b'{"model":"\\u006d"}', b'{"model":"vendor/m-2024"}'),
        ('{"model":"é"}'.encode(), b'{"model":"q\\"uote"}'),
        (b'{"model":null}', b'{"model":null}'),
        (b'{"n":1}', b'{"n":1}'),
        (b"[1]", b"[1]"),
        (b'{"a":"\\\\","model":"m"}', b'{"a":"\\\\","model":"vendor/m-2024"}'),
    ],
)
def test_u10_only_the_name_of_the_model_is_rewritten(body: bytes, expected: bytes) -> None:
    assert renamed(body, NAMES) == expected
    assert model_of(expected) in {"", "other", *NAMES.values()}


def test_u10_the_upstream_gets_its_own_name_of_the_model(upstream: Upstream) -> None:
    request = asked(upstream, {"models": {"m-small": "vendor/m"}}, body=b'{"messages":[], "model": "m-small","seed":1.0}')
    assert request.body == b'{"messages":[], "model": "vendor/m","seed":1.0}'


# --- Secrets -----------------------------------------------------------------------------------------------


def gateway(upstream: Upstream, **fields: Any) -> Provider:
    made = Provider(name="gateway", adapter="openai", base_url=upstream.base_url, **fields)
    made.set_credential(SECRET)
    return made


@pytest.mark.django_db
def test_u10_secret_headers_are_stored_encrypted_and_never_come_back(upstream: Upstream) -> None:
    options = {"headers": {"X-Api-Key": {"secret": "edge"}}, "query": {"sig": {"env": "BATCHYARD_CREDENTIAL_SIG"}}}
    made = gateway(upstream, options=options)
    made.clean()
    made.set_secret("edge", HIDDEN)
    made.save()
    kept = Provider.objects.get(name="gateway")
    assert HIDDEN.encode() not in bytes(kept.secrets_encrypted)
    assert kept.secret_names == ["edge"]
    with pytest.raises(CredentialUnavailable, match="BATCHYARD_CREDENTIAL_SIG is not set"):
        kept.connection()


@pytest.mark.django_db
def test_u10_an_answer_that_quotes_a_secret_header_is_redacted(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATCHYARD_CREDENTIAL_SIG", "sig/with +signs")
    made = gateway(
        upstream, options={"headers": {"X-Edge": {"secret": "edge"}}, "query": {"sig": {"env": "BATCHYARD_CREDENTIAL_SIG"}}}
    )
    made.set_secret("edge", HIDDEN)
    connection = made.connection()
    assert HIDDEN not in repr(connection)
    upstream.answer(refuse(400, message=f"bad {HIDDEN} at /v1?sig=sig%2Fwith%20%2Bsigns"))
    found = failed(send("openai", connection, call())[0])
    assert upstream.requests[0].headers["x-edge"] == HIDDEN
    assert upstream.requests[0].path == "/v1/chat/completions?sig=sig%2Fwith%20%2Bsigns"
    assert HIDDEN not in found.message + found.body.decode()
    assert "sig%2F" not in found.message + found.body.decode()


@pytest.mark.django_db
def test_u10_a_secret_that_is_not_stored_is_named(upstream: Upstream) -> None:
    made = gateway(upstream, options={"headers": {"X-Edge": {"secret": "edge"}}})
    found = check(made)
    assert not found.ok
    assert "Provider gateway: Option headers X-Edge: The secret edge is not stored." in found.message
    assert upstream.requests == []


# --- The check ---------------------------------------------------------------------------------------------


def no_list(request: Request) -> Any:
    return refuse(404, message="no such path") if request.method == "GET" else succeed()


@pytest.mark.django_db
def test_u13_an_upstream_without_a_list_of_models_is_not_said_to_be_broken(upstream: Upstream) -> None:
    upstream.behave(no_list)
    found = check(gateway(upstream))
    assert found.ok
    assert "has no list of models" in found.message
    assert [request.method for request in upstream.requests] == ["GET"], "nothing that is paid for was sent"


@pytest.mark.django_db
@pytest.mark.parametrize("endpoint", ["", "/v1/embeddings", "/v1/score"])
def test_u13_one_small_call_is_tried_when_asked_for(endpoint: str, upstream: Upstream) -> None:
    upstream.behave(no_list)
    upstream_usage = {"usage": {"prompt_tokens": 9, "completion_tokens": 3}, "choices": [{}], "data": [{}]}
    upstream.behave(lambda request: no_list(request) if request.method == "GET" else say(msgspec.json.encode(upstream_usage)))
    made = gateway(upstream, options={"further_endpoints": ["/v1/score"]})
    made.save()
    ProviderModel.objects.create(provider=made, name="m", input_price=1, output_price=2)
    found = check(made, model="m", endpoint=endpoint)
    assert found.ok, found.message
    assert f"One call of {endpoint or CHAT} with model m succeeded, and is paid for: 9 tokens in, 3 out." in found.message
    assert "It cost 0.000015" in found.message
    assert [request.method for request in upstream.requests] == ["GET", "POST"]
    assert upstream.requests[1].path == (endpoint or CHAT)


@pytest.mark.django_db
def test_u13_a_call_that_fails_or_cannot_be_tried_is_said_to_be_so(upstream: Upstream) -> None:
    upstream.behave(lambda request: refuse(404 if request.method == "GET" else 401, message="no such key"))
    assert "failed with 401: The upstream refused the provider's credential." in check(gateway(upstream), model="m").message
    assert "No call was tried" in check(gateway(upstream), model="m", endpoint="/v1/unknown").message
    assert len(upstream.requests) == 3


@pytest.mark.django_db
def test_u13_a_check_says_where_it_looked_for_a_variable(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Provider(name="x", adapter="openai", base_url=upstream.base_url, credential_env="BATCHYARD_CREDENTIAL_UNSET")
    for set_it in (False, True):
        if set_it:
            monkeypatch.setenv("BATCHYARD_CREDENTIAL_UNSET", SECRET)
        found = check(made)
        assert found.ok is set_it
        assert "BATCHYARD_CREDENTIAL_UNSET was looked for in the environment of this process" in found.message
        assert "workers have their own" in found.message
