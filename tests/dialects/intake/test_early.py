"""What is refused before the requests of a create call are read; and what is told of requests that were never checked."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from batches.models import Batch, BatchObject, Project
from batches.services.lifecycle.finalize import finalize
from batches.services.upkeep.reconcile import reconcile
from providers.models import Provider
from tests.cast import assert_counts_are_true
from tests.dialects.conformance import FACES
from tests.dialects.intake.conftest import BIFROST, ITEM, NATIVE, OPENAI, api, lines, uploaded
from tests.dialects.openai.conftest import CHAT, Answer, Api

__all__ = ["api"]

pytestmark = pytest.mark.django_db


class Unread:
    """A body that fails the test when more of it is read than its beginning."""

    def __init__(self, beginning: bytes) -> None:
        self.beginning, self.taken = beginning, 0

    def read(self, size: int = -1) -> bytes:
        assert size >= 0, "all of it was asked for"
        head, self.beginning = self.beginning[:size], self.beginning[size:]
        self.taken += size
        assert self.taken <= 1024**2, "the requests were read"
        return head + b" " * (size - len(head))

    def readline(self) -> bytes:
        raise AssertionError("a JSON body has no lines")


def begun(api: Api, path: str, document: dict[str, Any], array: str, **headers: str) -> Answer:
    """A create call whose requests would go on for 200 MB."""
    head = json.dumps(document)[:-1] + (", " if document else "") + f'"{array}": [' + json.dumps(ITEM | {"pad": "x" * 100}) + ","
    size = 200 * 1024**2
    environ = {"wsgi.input": Unread(head.encode()), "CONTENT_LENGTH": str(size)}
    return api.call("POST", path, data=b"", content_type="application/json", headers=headers, **environ)


EARLY: list[tuple[str, dict[str, Any], str]] = [
    (OPENAI, {"provider": "nobody"}, "requests"),
    (OPENAI, {"endpoint": "/v1/nothing"}, "requests"),
    (OPENAI, {"completion_window": "1s"}, "requests"),
    (OPENAI, {"metadata": {"a": 1}}, "requests"),
    (OPENAI, {"colour": "red"}, "requests"),
    (BIFROST, {"model": "nobody/m"}, "requests"),
    (BIFROST, {"model": "simulator/m", "on_invalid": "no"}, "requests"),
    ("/v1/messages/batches", {"colour": 1}, "requests"),
    (NATIVE, {"endpoint": CHAT, "provider": "nobody", "dry_run": False}, "requests"),
    (NATIVE, {"endpoint": CHAT, "completion_window": "1s", "dry_run": False}, "requests"),
]


@pytest.mark.parametrize(("path", "document", "array"), EARLY)
def test_e12_what_can_be_refused_by_its_head_is_refused_unread(api: Api, path: str, document: dict[str, Any], array: str) -> None:
    assert begun(api, path, document, array).status in (400, 404)


@pytest.mark.parametrize("quota", ["max_open_batches", "max_stored_bytes"])
@pytest.mark.parametrize("path", [OPENAI, BIFROST, "/v1/messages/batches"])
def test_e12_a_quota_that_is_used_up_is_told_unread(api: Api, project: Project, path: str, quota: str) -> None:
    Project.objects.filter(pk=project.pk).update(**{quota: 0})
    document = {} if path.startswith("/v1/m") else {"model": "simulator/m"}
    assert begun(api, path, document, "requests").status == 429


def test_e12_a_call_that_may_be_a_repetition_is_read_to_its_end(api: Api, project: Project) -> None:
    asked = {"model": "simulator/m", "requests": [ITEM]}
    body, headers = json.dumps(asked).encode(), {"Idempotency-Key": "once"}
    first = api.call("POST", OPENAI, data=body, content_type="application/json", headers=headers)
    Project.objects.filter(pk=project.pk).update(max_open_batches=1, max_stored_bytes=1)
    again = api.call("POST", OPENAI, data=body, content_type="application/json", headers=headers)
    assert (first.status, again.status, again.json["id"]) == (200, 200, first.json["id"])


@pytest.mark.parametrize("name", ["anthropic", "bifrost", "merge"])
def test_c11_every_request_of_a_batch_that_expired_unchecked_is_told(name: str, key: str, simulator: Provider) -> None:
    face = FACES[name](key)
    batch_id = face.batch_id("a", "b", "c")
    batch = Batch.objects.get()
    late = batch.expires_at + timedelta(seconds=1)
    reconcile(now=late)
    finalize(batch.pk, now=late)
    batch.refresh_from_db()
    assert (batch.status, batch.total, batch.expired, batch.pending) == ("expired", 3, 3, 0)
    assert face.counts(batch_id) == (0, 3)
    assert face.outcomes(batch_id) == {"a": False, "b": False, "c": False}
    assert set(BatchObject.objects.values_list("status", flat=True)) == {"expired"}
    assert_counts_are_true(batch)


def test_c11_requests_that_would_not_have_been_valid_are_told_too(api: Api) -> None:
    items: list[dict[str, Any]] = [{"custom_id": name, "body": {"messages": []}} for name in ("a", "")]
    assert api.post(OPENAI, {"provider": "simulator", "requests": items}).status == 200
    batch = Batch.objects.get()
    assert api.post(f"/v1/batches/{batch}/cancel").status == 200
    finalize(batch.pk, now=timezone.now())
    batch.refresh_from_db()
    assert (batch.status, batch.total, batch.cancelled) == ("cancelled", 2, 2)


def test_c11_a_batch_over_a_file_expires_at_once_as_before(api: Api) -> None:
    asked = {"input_file_id": uploaded(api, lines("m"))["id"], "endpoint": CHAT, "completion_window": "24h"}
    assert api.post(OPENAI, asked).status == 200
    batch = Batch.objects.get()
    reconcile(now=batch.expires_at)
    batch.refresh_from_db()
    assert (batch.status, batch.total) == ("expired", 0)
