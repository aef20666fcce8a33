"""A quota with room for one takes one, of however many calls that come at the same time; over the API, in real threads."""

from collections.abc import Callable

import pytest
from django.conf import settings as portal_settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from pytest_django import Settings

from batches.models import Batch, BatchObject, File, Project, Upload
from batches.rules.states import BatchStatus
from batches.services.policy.quota import quotas, set_quotas
from providers.models import Provider
from tests.api.conftest import Native
from tests.cast import TESTER
from tests.console.conftest import MakeBatch
from tests.dialects.conformance import FACES
from tests.dialects.openai.conftest import Answer, Api
from tests.together import at_once

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]

CALLS = 6


def allow(project: Project, **limits: int) -> None:
    set_quotas(project, limits=limits, actor=TESTER, now=timezone.now())


def used(project: Project, name: str) -> int:
    return {quota.name: quota.used for quota in quotas(project)}[name]


def statuses_of(call: Callable[[], Answer]) -> list[int]:
    """The statuses of calls that all begin at the same moment, in order."""
    answers = [answer for answer in at_once(*[call] * CALLS) if isinstance(answer, Answer)]
    assert len(answers) == CALLS
    return sorted(answer.status for answer in answers)


def require_one(statuses: list[int]) -> None:
    """One call passed, and the others were refused for the quota; on SQLite, a busy machine may make one wait too long."""
    assert [status < 300 for status in statuses].count(True) == 1, statuses
    assert set(statuses[1:]) <= ({429, 503} if portal_settings.EMBEDDED else {429}), statuses


@pytest.fixture(autouse=True)
def without_rates(settings: Settings) -> None:
    settings.KEY_REQUESTS_PER_MINUTE = settings.PROJECT_REQUESTS_PER_MINUTE = 0


@pytest.mark.parametrize("dialect", ["anthropic", "bifrost", "merge"])
def test_of_creates_at_once_one_takes_the_last_place(dialect: str, project: Project, key: str, simulator: Provider) -> None:
    allow(project, open_batches=1)
    face = FACES[dialect]
    require_one(statuses_of(lambda: face(key).create("a")))
    assert used(project, "open_batches") == 1


def test_of_native_creates_at_once_one_takes_the_last_objects(project: Project, key: str, simulator: Provider) -> None:
    allow(project, pending_objects=1)
    require_one(statuses_of(lambda: Native(key).create()))
    assert Batch.objects.count() == used(project, "pending_objects") == 1


def test_of_files_at_once_one_takes_the_last_bytes(project: Project, key: str, simulator: Provider) -> None:
    allow(project, stored_bytes=10)
    require_one(statuses_of(lambda: Api(key).upload(b"x" * 9)))
    assert File.objects.count() == 1
    assert used(project, "stored_bytes") == 9


def test_of_uploads_at_once_one_is_promised_the_last_bytes(project: Project, key: str, simulator: Provider) -> None:
    allow(project, stored_bytes=10)
    promise = {"filename": "f", "purpose": "batch", "bytes": 9, "mime_type": "application/jsonl"}
    require_one(statuses_of(lambda: Api(key).post("/v1/uploads", promise)))
    assert Upload.objects.count() == 1


def test_an_upload_that_is_completed_many_times_at_once_is_one_file(project: Project, key: str, simulator: Provider) -> None:
    allow(project, stored_bytes=4)
    api = Api(key)
    promise = {"filename": "f", "purpose": "user_data", "bytes": 4, "mime_type": "text/plain"}
    upload = api.post("/v1/uploads", promise).json["id"]
    part = api.post_form(f"/v1/uploads/{upload}/parts", {"data": _file(b"four")}).json["id"]
    statuses = statuses_of(lambda: Api(key).post(f"/v1/uploads/{upload}/complete", {"part_ids": [part]}))
    assert [status < 300 for status in statuses].count(True) == 1, statuses
    assert set(statuses[1:]) <= {400, 409, 429, 503}, statuses
    assert File.objects.count() == 1
    assert used(project, "stored_bytes") == 4


def test_of_retries_at_once_one_sends_the_failed_objects_again(project: Project, key: str, make_batch: MakeBatch) -> None:
    batch = make_batch(BatchStatus.COMPLETED, succeeded=1, failed=1)
    allow(project, pending_objects=1, open_batches=1)
    statuses = statuses_of(lambda: Native(key).post(f"batches/{batch}/retry", {}))
    assert [status < 300 for status in statuses].count(True) == 1, statuses
    assert set(statuses[1:]) <= {409, 429, 503}, statuses
    assert Batch.objects.exclude(pk=batch.pk).count() <= 1
    assert used(project, "pending_objects") <= 1
    assert BatchObject.objects.filter(batch__project=project, status="pending").count() <= 1


def _file(content: bytes) -> object:
    return SimpleUploadedFile("part", content)
