"""The reason why a batch waits, in the native API."""

from django.utils import timezone

from batches.models import Batch, Worker
from batches.services.lifecycle.validate import validate
from tests.api.conftest import Native


def test_a_batch_tells_why_it_waits(native: Native) -> None:
    now = timezone.now()
    Worker.objects.create(role="control", name="host:1", started_at=now, seen_at=now)
    created = native.create().json
    assert created["waiting"] == {
        "code": "not_validated",
        "sentence": "The input has not been checked to its end yet.",
        "until": None,
        "details": {},
    }
    validate(Batch.objects.get().pk, now=now)
    Batch.objects.update(paused_at=now, paused_by="user ops", paused_reason="Odd answers.")
    shown = native.get(f"batches/{created['id']}").json["waiting"]
    assert (shown["code"], shown["sentence"]) == ("paused", "Paused by user ops. Odd answers.")
    assert (shown["details"]["by"], shown["details"]["reason"]) == ("user ops", "Odd answers.")


def test_a_batch_that_ended_waits_for_nothing(native: Native) -> None:
    batch_id = native.batch_id()
    now = timezone.now()
    Batch.objects.update(status="cancelled", cancelled_at=now, ended_at=now, pending=0, total=0)
    assert native.get(f"batches/{batch_id}").json["waiting"] is None


def test_the_list_does_not_ask_for_each(native: Native) -> None:
    native.batch_id()
    [listed] = native.get("batches").json["data"]
    assert "waiting" not in listed
