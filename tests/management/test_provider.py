"""manage.py provider."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError

from batches.models import Project, ProviderGrant
from providers.models import Provider
from tests.answers import refuse, succeed
from tests.management.conftest import provider
from tests.upstream import Upstream

pytestmark = [pytest.mark.django_db, pytest.mark.once]


def test_adding_stores_what_was_given(project: Project) -> None:
    arguments = [
        "--base-url",
        "https://host/v1",
        "--credential-env",
        "BATCHYARD_CREDENTIAL_UP",
        "--max-concurrency",
        "7",
        "--default",
    ]
    assert "Added provider up" in provider("add", "up", "--adapter", "openai", *arguments)
    made = Provider.objects.get(name="up")
    assert (made.base_url, made.credential_env, made.max_concurrency) == ("https://host/v1", "BATCHYARD_CREDENTIAL_UP", 7)
    assert (made.is_default, made.granted_to_all) == (True, True)


def test_options_are_read_as_json_or_else_as_text() -> None:
    provider("add", "slow", "--adapter", "simulator", "--option", "latency_ms=250", "--option", "failure_rate=0.1")
    assert Provider.objects.get(name="slow").options == {"latency_ms": 250, "failure_rate": 0.1}
    with pytest.raises(CommandError, match="latency_ms: Expected `float`, got `str`"):
        provider("add", "slower", "--adapter", "simulator", "--option", "latency_ms=very slow")


def test_naming_projects_grants_it_to_them_alone(project: Project, other_project: Project) -> None:
    provider("add", "up", "--adapter", "openai", "--base-url", "https://host", "--project", "acme", "--default")
    made = Provider.objects.get(name="up")
    assert (made.granted_to_all, made.is_default) == (False, False)
    granted = ProviderGrant.objects.get()
    assert (granted.project, granted.provider, granted.is_default) == (project, made, True)


def test_listing_shows_every_provider_and_who_may_use_it(project: Project, simulator: Provider) -> None:
    provider("add", "up", "--adapter", "openai", "--base-url", "https://host", "--project", "acme", "--default")
    provider("disable", "up")
    lines = provider("list").splitlines()
    assert "up\topenai\thttps://host\tacme (default)\tfast path\tdisabled" in lines
    assert any(line.startswith("simulator\tsimulator\t-\tall projects") for line in lines)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["add", "up"], "--adapter"),
        (["add", "up", "--adapter", "telnet"], "telnet"),
        (["add", "up", "--adapter", "openai"], "base_url"),
        (["add", "two words", "--adapter", "simulator"], "name"),
        (["add", "simulator", "--adapter", "simulator"], "already exists"),
        (["add", "up", "--adapter", "simulator", "--option", "colour"], "KEY=VALUE"),
        (["add", "up", "--adapter", "simulator", "--option", "colour=red"], "colour"),
        (["add", "up", "--adapter", "simulator", "--max-concurrency", "0"], "max_concurrency"),
        (["add", "up", "--adapter", "simulator", "--max-error-rate", "2"], "max_error_rate"),
        (["add", "up", "--adapter", "simulator", "--max-cost", "much"], "neither an amount"),
        (["set", "nothing", "--max-cost", "1"], "no provider 'nothing'"),
        (["set", "simulator"], "Nothing to set"),
        (["set", "simulator", "--max-cost", "-1"], "--max-cost"),
        (["set", "simulator", "--max-concurrency", "none"], "max_concurrency"),
        (["model", "simulator", "m", "--input-price", "NaN"], "neither an amount"),
        (["model", "simulator", "m", "--forget"], "no settings for a model 'm'"),
        (["show", "nothing"], "no provider 'nothing'"),
        (["add", "up", "--adapter", "simulator", "--project", "nobody"], "no project 'nobody'"),
        (["check", "nothing"], "no provider 'nothing'"),
        (["remove", "nothing"], "no provider 'nothing'"),
        (["disable", "nothing"], "no provider 'nothing'"),
        ([], "VERB"),
        (["explode"], "explode"),
    ],
)
def test_a_mistake_is_named(simulator: Provider, arguments: list[str], named: str) -> None:
    with pytest.raises(CommandError, match=named):
        provider(*arguments)
    assert list(Provider.objects.all()) == [simulator]


def test_checking_says_what_it_found(simulator: Provider) -> None:
    assert "made up" in provider("check", "simulator")
    with Upstream() as upstream:
        provider("add", "up", "--adapter", "openai", "--base-url", upstream.base_url)
        assert "1 model" in provider("check", "up")
        upstream.answer(refuse(401, message="no such key"))
        with pytest.raises(CommandError, match="failed with 401: The upstream refused the provider's credential"):
            provider("check", "up")


def test_disabling_enabling_and_removing() -> None:
    provider("add", "up", "--adapter", "openai", "--base-url", "https://host")
    provider("disable", "up")
    assert not Provider.objects.get(name="up").enabled
    provider("enable", "up")
    assert Provider.objects.get(name="up").enabled
    provider("remove", "up")
    assert not Provider.objects.filter(name="up").exists()


def test_limits_and_guards_are_set_changed_and_shown() -> None:
    arguments = ["--requests-per-minute", "600", "--max-error-rate", "0.2", "--max-cost", "12.50"]
    provider("add", "up", "--adapter", "openai", "--base-url", "https://host", *arguments)
    said = provider("set", "up", "--max-cost", "none", "--tokens-per-minute", "9", "--max-concurrency", "7")
    assert said == "up\tmax_concurrency 7\trequests_per_minute 600\ttokens_per_minute 9\tmax_error_rate 0.2\n"
    assert provider("show", "up") == f"{said}up\ttransport fast path\n"
    assert Provider.objects.get(name="up").max_cost is None


def test_models_have_limits_and_prices_until_they_are_forgotten(simulator: Provider) -> None:
    provider("model", "simulator", "m", "--input-price", "0.15", "--output-price", "0.6")
    said = provider("model", "simulator", "m", "--cached-price", "0", "--requests-per-minute", "10")
    assert said == "m\trequests_per_minute 10\tinput_price 0.150000\tcached_price 0\toutput_price 0.600000\n"
    assert provider("show", "simulator").splitlines()[1].startswith("m\trequests_per_minute 10\t")
    provider("model", "simulator", "m", "--forget")
    assert len(provider("show", "simulator").splitlines()) == 1


def test_rotating_says_how_many() -> None:
    assert provider("rotate") == "Encrypted anew: 0.\n"


def test_u10_a_secret_is_read_from_standard_input_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    provider("add", "up", "--adapter", "openai", "--base-url", "https://host")
    monkeypatch.setattr("sys.stdin", StringIO("very-secret-value\n"))
    assert provider("secret", "up", "edge") == "Stored secret edge of provider up.\n"
    elsewhere = ("set", "up", "--option", 'headers={"X-Edge":{"secret":"edge"}}', "--base-url", "https://other/v1")
    with pytest.raises(CommandError, match="entered for another place: edge"):
        provider(*elsewhere)
    provider("set", "up", "--option", 'headers={"X-Edge":{"secret":"edge"}}')
    assert Provider.objects.get(name="up").connection().options == {"headers": {"X-Edge": "very-secret-value"}}
    shown = provider("show", "up")
    assert 'options {"headers": {"X-Edge": {"secret": "edge"}}}' in shown
    assert "secrets edge" in shown
    assert "very-secret-value" not in shown + provider("list")
    assert provider("rotate") == "Encrypted anew: 1.\n"
    provider("secret", "up", "edge", "--forget")
    assert "secrets" not in provider("show", "up")
    monkeypatch.setattr("sys.stdin", StringIO(""))
    with pytest.raises(CommandError, match="nothing on standard input"):
        provider("secret", "up", "edge")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--option", "azure=latest"), "azure"),
        (("--option", 'headers={"X-Api-Key":"plain-secret-1"}'), "headers"),
        (("--option", 'proxy="http://user:plain-secret-1@proxy"'), "proxy"),
        (("--base-url", "nonsense"), "base_url"),
    ],
)
def test_u10_a_bad_option_changes_nothing(arguments: Any, named: str) -> None:
    provider("add", "up", "--adapter", "openai", "--base-url", "https://host", "--option", "azure=v1")
    with pytest.raises(CommandError, match=named) as caught:
        provider("set", "up", "--max-concurrency", "3", *arguments)
    assert "plain-secret-1" not in str(caught.value)
    kept = Provider.objects.get(name="up")
    assert (kept.options, kept.max_concurrency, kept.base_url) == ({"azure": "v1"}, 256, "https://host")
    provider("set", "up", "--option", "azure=null")
    assert Provider.objects.get(name="up").options == {}


def test_u11_listing_says_which_client_serves_a_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    provider("add", "up", "--adapter", "openai", "--base-url", "https://host", "--option", "proxy=http://proxy:3128")
    provider("add", "out", "--adapter", "openai", "--base-url", "https://host")
    monkeypatch.setenv("HTTPS_PROXY", "http://user:hunter2@corporate:8080")
    said = provider("list")
    assert "aiohttp: the proxy proxy:3128 (option proxy)" in said
    assert "aiohttp: the proxy corporate:8080 (HTTPS_PROXY)" in said
    assert "hunter2" not in said


def test_u13_a_call_is_tried_when_a_model_is_named() -> None:
    with Upstream() as upstream:
        upstream.behave(lambda request: refuse(404) if request.method == "GET" else succeed())
        provider("add", "up", "--adapter", "openai", "--base-url", upstream.base_url)
        assert "has no list of models" in provider("check", "up")
        assert "One call of /v1/chat/completions with model m succeeded" in provider("check", "up", "--call", "m")


def test_a_batch_api_is_set_up_and_shown(db: None) -> None:
    provider("add", "up", "--adapter", "openai", "--base-url", "https://host.example/v1", "--jobs-family", "openai")
    provider("set", "up", "--jobs-region", "EU (Frankfurt)", "--max-open-jobs", "7", "--execution", "hybrid")
    provider("model", "up", "m", "--batch-factor", "0.4")

    shown = provider("show", "up")

    assert "\tjobs_family openai\tmax_open_jobs 7\texecution hybrid\tjobs_region EU (Frankfurt)\n" in shown
    assert "up\tbatch API openai: region EU (Frankfurt), results kept for 30 days unless they are deleted before\n" in shown
    assert "m\tbatch_factor 0.4000\n" in shown
    assert "jobs" not in provider("set", "up", "--execution", "none", "--jobs-family", "none")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--jobs-family", "bedrock"], "jobs_family: There is no family of batch APIs 'bedrock'"),
        (["--jobs-family", "anthropic"], "jobs_family: The family anthropic does not fit adapter openai"),
        (["--execution", "hybrid"], "execution: It cannot be hybrid without a batch API"),
        (["--max-open-jobs", "0"], "max_open_jobs: "),
    ],
)
def test_a_batch_api_that_cannot_be_is_refused_by_name(db: None, arguments: list[str], named: str) -> None:
    provider("add", "up", "--adapter", "openai", "--base-url", "https://host.example/v1")
    with pytest.raises(CommandError, match=named):
        provider("set", "up", *arguments)
