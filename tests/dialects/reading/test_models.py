"""C3 and C17: `/models` of every dialect, and through the unmodified clients."""

import anthropic
import groq
import openai
import pytest
from anthropic import Anthropic
from groq import Groq
from openai import AzureOpenAI, OpenAI

from providers.models import Provider, ProviderModel
from tests.api.conftest import Native
from tests.api.conftest import problem as native_problem
from tests.conftest import Portal
from tests.dialects.conformance import FACES
from tests.dialects.openai.conftest import Api

NAMES = ["any", "big", "meta-llama/Llama-3", "small"]
OPENAI_SHAPED = ["/v1/models", "/openai/v1/models", "/groq/openai/v1/models", "/openai/models"]


@pytest.fixture
def models(simulator: Provider) -> Provider:
    """The simulator has models besides its own."""
    for name in NAMES[1:]:
        ProviderModel.objects.create(provider=simulator, name=name)
    return simulator


@pytest.fixture
def api(key: str, models: Provider) -> Api:
    return Api(key)


@pytest.mark.parametrize("path", OPENAI_SHAPED)
def test_lists_of_openais_shape(api: Api, models: Provider, path: str) -> None:
    found = api.get(f"{path}?api-version=2024-10-21").json
    assert found["object"] == "list"
    created = int(models.created_at.timestamp())
    assert found["data"] == [{"id": name, "object": "model", "created": created, "owned_by": "simulator"} for name in NAMES]
    for spelling in ("meta-llama/Llama-3", "meta-llama%2FLlama-3", "simulator/meta-llama/Llama-3"):
        assert api.get(f"{path}/{spelling}").json["id"] == "meta-llama/Llama-3"
    missing = api.get(f"{path}/nothing")
    assert (missing.status, missing.error["code"], missing.error["param"]) == (404, "model_not_found", "model")


def test_bifrosts_list_names_the_provider_in_every_id(key: str, models: Provider) -> None:
    face = FACES["bifrost"](key)
    Provider.objects.create(name="other", adapter="simulator")
    shown = face.get("/bifrost/v1/models").json
    assert [model["id"] for model in shown["data"]] == ["other/any", *(f"simulator/{name}" for name in NAMES)]
    assert shown["extra_fields"]["request_type"] == "list_models"
    assert [model["id"] for model in face.get("/bifrost/v1/models?provider=other").json["data"]] == ["other/any"]
    assert face.get("/bifrost/v1/models/simulator/meta-llama/Llama-3").json["name"] == "meta-llama/Llama-3"
    assert face.get("/bifrost/v1/models/simulator/nothing").status == 404


@pytest.mark.parametrize("base", ["", "/anthropic"])
def test_anthropics_list_has_its_own_shape_and_pages(key: str, models: Provider, base: str) -> None:
    face = FACES["anthropic"](key)
    found = face.get(f"{base}/v1/models").json
    assert [model["id"] for model in found["data"]] == NAMES
    assert found["data"][1] == {
        "type": "model",
        "id": "big",
        "display_name": "big",
        "created_at": f"{models.created_at:%Y-%m-%dT%H:%M:%S.%fZ}",
        "lifecycle": "active",
        "owned_by": "simulator",
    }
    assert (found["has_more"], found["first_id"], found["last_id"]) == (False, "any", "small")
    page = face.get(f"{base}/v1/models?limit=2&after_id=any").json
    assert ([model["id"] for model in page["data"]], page["has_more"]) == (NAMES[1:3], True)
    page = face.get(f"{base}/v1/models?limit=2&before_id=small").json
    assert ([model["id"] for model in page["data"]], page["has_more"]) == (NAMES[1:3], True)
    assert face.get(f"{base}/v1/models?lifecycle[]=retired").json["data"] == []
    for query in ("limit=0", "limit=1001", "after_id=nothing", "after_id=any&before_id=big", "lifecycle=dead"):
        answer = face.get(f"{base}/v1/models?{query}")
        assert answer.status == 400
        assert face.problem(answer)
    assert face.get(f"{base}/v1/models/meta-llama/Llama-3").json["id"] == "meta-llama/Llama-3"
    missing = face.get(f"{base}/v1/models/nothing")
    assert (missing.status, missing.json["error"]["type"]) == (404, "not_found_error")


def test_the_native_list_tells_provider_and_endpoints(key: str, models: Provider) -> None:
    native = Native(key)
    page = native.get("models").json
    assert ([model["id"] for model in page["data"]], page["next_cursor"]) == (NAMES, None)
    assert page["data"][0]["provider"] == {"name": "simulator", "simulated": True}
    assert "/v1/chat/completions" in page["data"][0]["endpoints"]
    assert native.get("models/simulator/meta-llama/Llama-3").json["name"] == "meta-llama/Llama-3"
    assert native_problem(native.get("models/nothing"))["code"] == "model_not_found"
    assert native.get("models?project=globex").status == 400
    assert native.get("models?limit=3").status == 400


# --- C17: with the header, every path under /v1 answers in Anthropic's words --------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "status", "word"),
    [
        ("GET", "/v1/models/nothing", 404, "not_found_error"),
        ("GET", "/v1/nothing", 404, "not_found_error"),
        ("GET", "/v1", 404, "not_found_error"),
        ("GET", "/v1/models/", 404, "not_found_error"),
        ("GET", "/v1/batches", 404, "not_found_error"),
        ("POST", "/v1/uploads/x/parts", 404, "not_found_error"),
        ("POST", "/v1/chat/completions", 404, "not_found_error"),
        ("POST", "/v1/models", 405, "invalid_request_error"),
        ("DELETE", "/v1/models/big", 405, "invalid_request_error"),
    ],
)
def test_every_path_answers_in_its_own_words(key: str, models: Provider, method: str, path: str, status: int, word: str) -> None:
    face = FACES["anthropic"](key)
    answer = face.call(method, path)
    assert (answer.status, answer.json["error"]["type"]) == (status, word)
    assert face.problem(answer)
    plain = Api(key).call(method, path)
    assert "request_id" not in plain.json, "without the header it is OpenAI's"


def test_a_stranger_is_refused_in_its_own_words(models: Provider, other_key: str) -> None:
    nobody = FACES["anthropic"](None)
    answer = nobody.get("/v1/models")
    assert (answer.status, answer.json["error"]["type"]) == (401, "authentication_error")
    form = nobody.call("POST", "/v1/messages/batches", data=b"--b--", content_type="multipart/form-data; boundary=b")
    assert (form.status, form.json["type"]) == (401, "error")


def test_a_body_too_large_or_of_another_type_is_refused_in_its_own_words(key: str, models: Provider) -> None:
    face = FACES["anthropic"](key)
    long = face.call("POST", "/v1/messages/batches", data=b"{}", headers={"Content-Length": str(2**40)})
    assert (long.status, long.json["error"]["type"]) == (413, "request_too_large")
    form = face.call("POST", "/v1/messages/batches", data=b"--b--", content_type="multipart/form-data; boundary=b")
    assert form.status in (400, 415)
    assert form.json["error"]["type"] == "invalid_request_error"


# --- The unmodified clients -------------------------------------------------------------------------------------


@pytest.fixture
def served(portal: Portal, models: Provider) -> Portal:
    return portal


def test_openais_groqs_and_azures_clients_list_and_retrieve(served: Portal) -> None:
    clients = [
        OpenAI(base_url=f"{served.url}/v1", api_key=served.key, max_retries=0, _strict_response_validation=True),
        OpenAI(base_url=f"{served.url}/openai/v1", api_key=served.key, max_retries=0, _strict_response_validation=True),
        AzureOpenAI(azure_endpoint=served.url, api_key=served.key, api_version="2024-10-21", max_retries=0),
    ]
    for client in clients:
        assert [model.id for model in client.models.list()] == NAMES
        assert client.models.retrieve("meta-llama/Llama-3").owned_by == "simulator"
        with pytest.raises(openai.NotFoundError) as missing:
            client.models.retrieve("nothing")
        assert missing.value.code == "model_not_found"
    fast = Groq(base_url=f"{served.url}/groq", api_key=served.key, max_retries=0, _strict_response_validation=True)
    assert [model.id for model in fast.models.list().data] == NAMES
    assert fast.models.retrieve("meta-llama/Llama-3").owned_by == "simulator"
    with pytest.raises(groq.NotFoundError):
        fast.models.retrieve("nothing")


def test_anthropics_client_lists_pages_and_retrieves(served: Portal) -> None:
    client = Anthropic(base_url=served.url, api_key=served.key, max_retries=0, _strict_response_validation=True)
    assert [model.id for model in client.models.list(limit=1)] == NAMES
    assert [model.id for model in client.models.list(limit=1, before_id="small")] == NAMES[2::-1]
    found = client.models.retrieve("meta-llama/Llama-3")
    assert (found.display_name, found.lifecycle, found.type) == ("meta-llama/Llama-3", "active", "model")
    assert [model.id for model in client.beta.models.list()] == NAMES
    with pytest.raises(anthropic.NotFoundError) as missing:
        client.models.retrieve("nothing")
    assert missing.value.type == "not_found_error"
