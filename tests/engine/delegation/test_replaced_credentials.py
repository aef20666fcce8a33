"""A credential or an address that is replaced while jobs are open: those come home under the former one, new ones use the new."""

import logging
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from batches.models import AuditEntry, Batch, ProviderJob
from batches.rules.actors import COMMAND
from batches.rules.execution import JobState
from batches.rules.states import BatchStatus
from batches.services.upstreams.providers import Credential, configure_provider, rotate_credentials, set_secret
from tests.batch_apis import BatchApis
from tests.cast import TESTER
from tests.engine.delegation.conftest import Stage
from tests.providers.test_admin import form

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.alike]
ONE_FAMILY = pytest.mark.parametrize("family", ["openai"], indirect=True)
A, B = "sk-test-0123456789", "sk-other-987654321"
VARIABLES = "BATCHYARD_CREDENTIAL_A", "BATCHYARD_CREDENTIAL_B"

Replace = Callable[[Stage], None]


def by_service(stage: Stage) -> None:
    configure_provider(stage.provider, credential=Credential(B), actor=TESTER, now=timezone.now())


def by_command(stage: Stage) -> None:
    call_command("provider", "set", stage.provider.name, "--credential-env", VARIABLES[1], stdout=StringIO())


def by_command_with_a_file(stage: Stage) -> None:
    call_command("provider", "set", stage.provider.name, "--credential-file", "b", stdout=StringIO())


def by_admin(stage: Stage) -> None:
    client, provider = Client(), stage.provider
    client.force_login(User.objects.create_superuser("ops", password="x"))
    fields = {"name": provider.name, "adapter": provider.adapter, "base_url": provider.base_url, "jobs_family": stage.family}
    page = f"/admin/providers/provider/{provider.pk}/change/"
    answer = client.post(page, form(**fields, is_default="on", credential=B), follow=True)
    assert "jobs are open at its batch API, 3 of them under a former credential" in answer.content.decode()


@pytest.fixture(autouse=True)
def sources(monkeypatch: pytest.MonkeyPatch, settings: Settings, tmp_path: Path) -> None:
    for name, secret in zip(VARIABLES, (A, B), strict=True):
        monkeypatch.setenv(name, secret)
    (tmp_path / "a").write_text(A)
    (tmp_path / "b").write_text(B)
    settings.CREDENTIALS_DIR = tmp_path


def running(stage: Stage, rows: int = 25) -> Batch:
    """A batch whose jobs all run at the provider."""
    batch = stage.batch(rows)
    stage.work()
    assert {job.state for job in stage.jobs(batch)} == {JobState.RUNNING}
    return batch


def owners(apis: BatchApis) -> list[str]:
    return [job.owner for job in apis.jobs]


@pytest.mark.parametrize("replace", [by_service, by_command, by_command_with_a_file, by_admin])
def test_jobs_come_home_under_the_credential_that_created_them(stage: Stage, replace: Replace) -> None:
    batch = running(stage)

    replace(stage)
    later = stage.batch(5)
    stage.until(lambda: stage.settled(batch)() and stage.settled(later)())
    stage.until(lambda: not ProviderJob.objects.filter(removed_at=None).exists())

    assert (stage.end(batch).succeeded, stage.end(later).succeeded) == (25, 5)
    assert owners(stage.apis) == [A, A, A, B]
    assert not stage.apis.world.files
    assert not ProviderJob.objects.exclude(former_credential=b"", former_base_url="").exists()


@ONE_FAMILY
@pytest.mark.parametrize("kept", [{"variable": VARIABLES[0]}, {"file": "a"}])
def test_also_one_that_a_variable_or_a_file_held(stage: Stage, kept: dict[str, str]) -> None:
    configure_provider(stage.provider, credential=Credential(**kept), actor=COMMAND, now=timezone.now())
    batch = running(stage)

    by_service(stage)

    assert stage.play(batch).succeeded == 25
    assert owners(stage.apis) == [A, A, A]


@ONE_FAMILY
def test_jobs_come_home_from_the_former_address(stage: Stage) -> None:
    batch = running(stage)

    with BatchApis() as elsewhere:
        moved = {"base_url": elsewhere.url(stage.family), "credential": Credential(B)}
        configure_provider(stage.provider, **moved, actor=TESTER, now=timezone.now())  # type: ignore[arg-type]
        later = stage.batch(5)
        stage.work()

        assert (owners(stage.apis), owners(elsewhere)) == ([A, A, A], [B])
        stage.until(stage.settled(batch))
        elsewhere.advance(3600)
        stage.until(stage.settled(later))
    assert stage.end(batch).succeeded == 25


@ONE_FAMILY
def test_a_second_replacement_leaves_the_first_former_credential(stage: Stage) -> None:
    batch = running(stage, 5)
    by_service(stage)
    later = stage.batch(5)
    stage.work()
    configure_provider(stage.provider, credential=Credential("sk-third-5555555"), actor=TESTER, now=timezone.now())

    stage.until(lambda: stage.settled(batch)() and stage.settled(later)())

    assert owners(stage.apis) == [A, B]
    assert {stage.end(each).status for each in (batch, later)} == {BatchStatus.COMPLETED}


@ONE_FAMILY
def test_the_same_credential_at_another_place_is_no_other_one(stage: Stage) -> None:
    batch = running(stage)

    by_variable = Credential(variable=VARIABLES[0])
    configure_provider(stage.provider, credential=by_variable, options={"proxy": "none"}, actor=COMMAND, now=timezone.now())

    assert {bytes(job.former_credential) for job in stage.jobs(batch)} == {b""}


@ONE_FAMILY
def test_a_secret_of_the_options_is_a_credential_too(stage: Stage) -> None:
    set_secret(stage.provider, "team", secret="first", actor=TESTER, now=timezone.now())
    options = {"headers": {"X-Team": {"secret": "team"}}}
    configure_provider(stage.provider, options=options, actor=TESTER, now=timezone.now())
    batch = running(stage)

    set_secret(stage.provider, "team", secret="second", actor=TESTER, now=timezone.now())

    assert all(job.former_credential for job in stage.jobs(batch))
    assert stage.play(batch).succeeded == 25


@ONE_FAMILY
def test_rotating_the_keys_encrypts_former_credentials_anew(stage: Stage, settings: Settings) -> None:
    batch = running(stage)
    by_service(stage)
    old = list(settings.CREDENTIAL_KEYS)
    settings.CREDENTIAL_KEYS = [Fernet.generate_key().decode(), *old]

    assert rotate_credentials(actor=TESTER, now=timezone.now()) == 2
    settings.CREDENTIAL_KEYS = settings.CREDENTIAL_KEYS[:1]

    assert stage.play(batch).succeeded == 25


@ONE_FAMILY
def test_neither_credential_is_told_anywhere(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    batch = running(stage)

    with caplog.at_level(logging.DEBUG):
        by_service(stage)
        shown = StringIO()
        call_command("provider", "show", stage.provider.name, stdout=shown)
        stage.play(batch)

    told = [str(row) for row in AuditEntry.objects.values_list("reason", "changes", "target")]
    told += [caplog.text, shown.getvalue(), *(repr(vars(job)) for job in stage.jobs(batch))]
    assert AuditEntry.objects.get(act="set_credential").reason.endswith("3 jobs keep their former credential and address.")
    assert "3 jobs are open at its batch API, 3 of them under a former credential" in shown.getvalue()
    assert not any(secret in text for secret in (A, B) for text in told)
