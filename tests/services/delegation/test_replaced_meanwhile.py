"""A credential that is replaced while a worker is creating a job."""

import uuid
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.utils import timezone

from batches.models import Project, ProviderJob
from batches.rules.execution import JobState
from batches.services.delegation import due
from batches.services.delegation.creating import submitting
from batches.services.delegation.creating.hand_over import hand_over
from batches.services.upstreams.former import former_connection
from batches.services.upstreams.providers import Credential, configure_provider
from providers.base import Failure
from providers.failures import Kind
from providers.models import Provider
from tests.cast import TESTER, request_lines, started

pytestmark = pytest.mark.django_db
A, B = "sk-test-0123456789", "sk-other-987654321"


@pytest.fixture
def provider(local: Provider) -> Provider:
    local.base_url = "https://host.example/v1"
    local.set_credential(A)
    local.save()
    return local


@pytest.fixture
def job(project: Project, provider: Provider) -> ProviderJob:
    """A job that a worker has taken up to create it."""
    project.may_delegate = True
    project.save()
    hand_over(started(project, request_lines(2), execution="delegated").id, now=timezone.now())
    (taken,) = due.take_due(uuid.uuid4(), now=timezone.now(), most=1)
    return taken


def replace(provider: Provider) -> None:
    configure_provider(provider, credential=Credential(B), actor=TESTER, now=timezone.now())


def kept_by(job: ProviderJob) -> str:
    """The credential that a job keeps; empty if it has that of its provider."""
    fresh = ProviderJob.objects.select_related("provider").get(pk=job.pk)
    return former_connection(fresh).credential if fresh.former_credential else ""


def uploaded(job: ProviderJob) -> None:
    submitting.note_uploaded(job, rows=2, size=10, input_ref="file-1", now=timezone.now())


def test_what_was_uploaded_under_the_former_one_is_created_under_it(job: ProviderJob, provider: Provider) -> None:
    replace(provider)
    assert kept_by(job) == ""  # nothing of it is at the provider yet
    uploaded(job)
    assert kept_by(job) == A


def test_a_create_call_is_made_under_the_credential_of_its_upload(job: ProviderJob, provider: Provider) -> None:
    uploaded(job)
    replace(provider)
    assert submitting.begin_sending(job, before="", now=timezone.now())
    assert kept_by(job) == A


def test_without_a_replacement_nothing_is_kept(job: ProviderJob) -> None:
    uploaded(job)
    submitting.begin_sending(job, before="", now=timezone.now())
    assert kept_by(job) == ""


def test_an_input_is_uploaded_anew_when_its_former_credential_is_refused(job: ProviderJob, provider: Provider) -> None:
    replace(provider)
    uploaded(job)
    refused = Failure(Kind.AUTHENTICATION, "The key is revoked.")

    submitting.not_created(job, refused, later=False, now=timezone.now())

    job.refresh_from_db()
    assert (job.state, job.input_ref, kept_by(job)) == (JobState.PREPARING, "", "")


def test_a_credential_that_cannot_be_deciphered_is_not_kept(job: ProviderJob, provider: Provider, settings: Any) -> None:
    uploaded(job)
    settings.CREDENTIAL_KEYS = [Fernet.generate_key().decode()]
    replace(provider)
    assert kept_by(job) == ""
