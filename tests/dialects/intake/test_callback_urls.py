"""The callback URL of a batch, as create calls of every dialect carry it."""

import pytest

from batches.models import Batch, Project, WebhookEndpoint
from providers.models import Provider
from tests.dialects.conformance import FACES, Face
from tests.webhooks import URL

pytestmark = pytest.mark.django_db


@pytest.fixture(params=sorted(FACES))
def face(request: pytest.FixtureRequest, key: str, simulator: Provider) -> Face:
    """A client of `project` in each dialect."""
    return FACES[request.param](key)


def test_a_batch_keeps_the_callback_url_of_its_create_call(face: Face, project: Project) -> None:
    document = face.document(["a"], failing=[])
    answer = face.create_from({"callback_url": f"{URL}?run=7"} | document)
    assert answer.status in (200, 202), answer.content
    assert Batch.objects.get().callback_url == f"{URL}?run=7"
    assert WebhookEndpoint.objects.get(project=project).is_callbacks


@pytest.mark.parametrize("before", [True, False], ids=["before the requests", "behind them"])
def test_one_that_nothing_may_be_sent_to_is_refused_in_the_words_of_the_dialect(face: Face, before: bool) -> None:
    document, named = face.document(["a"], failing=[]), {"callback_url": "http://receiver.example/"}
    answer = face.create_from(named | document if before else document | named)
    assert answer.status == 400
    assert "must start with https://" in face.problem(answer)
    assert not Batch.objects.exists()


def test_none_is_no_callback_url(face: Face) -> None:
    assert face.create_from({"callback_url": None} | face.document(["a"], failing=[])).status in (200, 202)
    assert Batch.objects.get().callback_url == ""
    assert not WebhookEndpoint.objects.exists()


def test_the_same_call_with_another_callback_url_is_another_call(face: Face) -> None:
    document = face.document(["a"], failing=[])
    token = {"Idempotency_Key": "once"}
    first = face.create_from({"callback_url": URL} | document, **token)
    again = face.create_from({"callback_url": URL} | document, **token)
    assert again.json[face.known_by] == first.json[face.known_by]
    assert face.create_from({"callback_url": f"{URL}/2"} | document, **token).status in (400, 409)
    assert Batch.objects.count() == 1
