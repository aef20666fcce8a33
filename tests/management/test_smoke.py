"""manage.py provider smoke: a provider's batch API is tried from upload to removal."""

from collections.abc import Iterator

import pytest
from django.core.management import CommandError, call_command

from providers import smoke
from providers.models import Provider
from tests.batch_apis import BatchApis, Create, Plan

pytestmark = pytest.mark.django_db
MODEL = "m-small"


@pytest.fixture
def apis(monkeypatch: pytest.MonkeyPatch) -> Iterator[BatchApis]:
    monkeypatch.setattr(smoke, "POLL_SECONDS", 0.01)
    with BatchApis() as served:
        yield served


def provider(apis: BatchApis, family: str) -> Provider:
    adapter = "anthropic" if family == "anthropic" else "openai"
    found = Provider(name=family, adapter=adapter, base_url=apis.url(family))
    found.set_credential("sk-of-a-portal-0123456789")
    found.save()
    return found


@pytest.mark.parametrize("family", ["openai", "anthropic"])
def test_a_good_batch_api_passes_and_keeps_nothing(apis: BatchApis, family: str, capsys: pytest.CaptureFixture[str]) -> None:
    apis.plan(Plan(seconds=100, cancel_seconds=0))
    call_command("provider", "smoke", provider(apis, family).name, "--model", MODEL)
    told = capsys.readouterr().out
    assert "FAILED" not in told
    assert "The job was found again" in told
    assert "10 were stopped before they ran" in told
    assert not apis.world.files
    assert not apis.world.jobs_of(family, "sk-of-a-portal-0123456789") or family == "openai"


def test_a_job_that_does_not_end_is_told_of(apis: BatchApis, capsys: pytest.CaptureFixture[str]) -> None:
    apis.plan(Plan(seconds=1000, cancel_seconds=1000))
    with pytest.raises(CommandError, match="did not pass"):
        call_command("provider", "smoke", provider(apis, "openai").name, "--model", MODEL, "--wait", "0.05")
    assert f"Job {apis.jobs[0].id} is still there" in capsys.readouterr().out


def test_a_lost_answer_names_the_marker(apis: BatchApis, capsys: pytest.CaptureFixture[str]) -> None:
    apis.plan(Plan(create=Create.LOST_ANSWER))
    with pytest.raises(CommandError):
        call_command("provider", "smoke", provider(apis, "openai").name, "--model", MODEL)
    assert f"Look for {apis.jobs[0].about['metadata']['batchyard']}" in capsys.readouterr().out


def test_a_provider_without_a_batch_api_is_refused(simulator: Provider) -> None:
    with pytest.raises(CommandError, match="has no batch API"):
        call_command("provider", "smoke", simulator.name, "--model", MODEL)
