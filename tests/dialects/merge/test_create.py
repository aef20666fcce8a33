"""Creating a batch: what is accepted, what is refused, and in which words."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError
from pytest_django import Settings

from batches.dialects.merge.inbound import ENDPOINTS
from batches.models import Batch, Dialect, File, IdempotencyRecord
from batches.services.intake import idempotency as once
from providers.base import ACCOUNTING_ENDPOINTS
from tests.dialects.merge.conftest import MODELS, Merge, detail, item, problem

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def input_of(batch: Batch) -> bytes:
    assert batch.input_file is not None
    with batch.input_file.content.open("rb") as source:
        return bytes(source.read())


def test_the_models_are_those_that_providers_know() -> None:
    assert set(ENDPOINTS) == set(MODELS)
    assert set(ENDPOINTS.values()) == ACCOUNTING_ENDPOINTS


@pytest.mark.parametrize("base", ["/api/accounting/v1", "/accounting/v1"])
@pytest.mark.parametrize("model", MODELS)
def test_a_batch_is_accepted_under_both_bases(merge: Merge, model: str, base: str) -> None:
    answer = merge.create({"batch_items": [item("a")]}, model=model, base=base)
    assert answer.status == 202
    assert set(answer.json) == {"batch_id"}
    assert UUID.fullmatch(answer.json["batch_id"])
    batch = Batch.objects.get(pk=answer.json["batch_id"])
    assert (batch.dialect, batch.endpoint, batch.provider.name) == (Dialect.MERGE, f"/accounting/v1/{model}", "simulator")


def test_payloads_are_kept_byte_for_byte(merge: Merge) -> None:
    payload = rb'{"b": 1.50, "a": 12345678901234567890123, "model": {"x": null}, "stream": "\u00e9\/", "a": 1e400}'
    merge.create(b'{"batch_items": [{"payload": ' + payload + b', "item_id": "inv-1"}]}')
    line = input_of(Batch.objects.get())
    assert payload in line
    assert b'"custom_id":"inv-1"' in line
    assert b'"url":"/accounting/v1/invoices"' in line


@pytest.mark.parametrize(
    "body",
    [
        {"colour": "red", "batch_items": [item("a")]},
        {"batch_items": [item("a")], "colour": 1},
        {"batch_items": [item("a") | {"more": [1]}]},
    ],
)
def test_c7_keys_that_nobody_knows_are_refused(merge: Merge, body: dict[str, Any]) -> None:
    answer = merge.create(body)
    assert answer.status == 400
    assert ("source" in problem(answer)) == ("more" in str(body))
    assert not Batch.objects.exists()


def test_a_hundred_items_are_accepted_and_one_more_is_refused(merge: Merge) -> None:
    assert merge.create_items(*(f"item-{n}" for n in range(100))).status == 202
    found = problem(merge.create_items(*(f"item-{n}" for n in range(101))))
    assert "100" in found["detail"]
    assert found["source"] == {"pointer": "/batch_items"}
    assert Batch.objects.count() == 1


def test_there_can_be_only_one_list_of_items(merge: Merge) -> None:
    one = b'"batch_items": [{"item_id": "a", "payload": {}}]'
    assert "batch_items" in problem(merge.create(b"{" + one + b"," + one + b"}"))["detail"]


def test_an_id_that_comes_twice_is_named(merge: Merge) -> None:
    found = problem(merge.create_items("a", "b", "a"))
    assert "'a'" in found["detail"]
    assert found["source"] == {"pointer": "/batch_items/2"}


def test_a_body_over_the_limit_is_a_bad_request(merge: Merge) -> None:
    found = problem(merge.create({"batch_items": [item("a", memo="x" * 5 * 1024**2)]}))
    assert str(5 * 1024**2) in found["detail"]
    assert not Batch.objects.exists()


def test_an_item_over_the_limit_of_a_line_is_a_bad_request(merge: Merge, settings: Settings) -> None:
    settings.MAX_LINE_BYTES = 1000
    assert "1000" in problem(merge.create({"batch_items": [item("a", memo="x" * 1000)]}))["detail"]


def test_nearly_five_megabytes_are_accepted(merge: Merge) -> None:
    assert merge.create({"batch_items": [item("a", memo="x" * 2_600_000), item("b", memo="x" * 2_600_000)]}).status == 202


@pytest.mark.parametrize(
    ("item_id", "message"),
    [("", "empty"), (None, "str"), (5, "str"), ("x" * 513, "512"), ("a\0b", "NUL"), (["a"], "str")],
)
def test_an_id_that_is_no_usable_string_is_refused(merge: Merge, item_id: Any, message: str) -> None:
    found = problem(merge.create({"batch_items": [item("fine"), item(item_id)]}))
    assert message in found["detail"]
    assert found["source"] == {"pointer": "/batch_items/1/item_id"}


@pytest.mark.parametrize("payload", [None, [], "text", 5, [{"a": 1}]])
def test_a_payload_that_is_no_object_is_refused(merge: Merge, payload: Any) -> None:
    found = problem(merge.create({"batch_items": [{"item_id": "a", "payload": payload}]}))
    assert found["source"] == {"pointer": "/batch_items/0/payload"}
    assert found["problem_type"] == "INVALID_TYPE"


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"batch_items": []},
        {"batch_items": None},
        {"batch_items": {"item_id": "a"}},
        {"batch_items": "a"},
        {"batch_items": ["a"]},
        {"batch_items": [None]},
        {"batch_items": [{}]},
        {"batch_items": [{"item_id": "a"}]},
        {"batch_items": [{"payload": {}}]},
        {"items": [item("a")]},
        [item("a")],
        b"",
        b"{",
        b"null",
        b'{"batch_items": [{"item_id": "a", "payload": {"a": }}]}',
        b'{"batch_items": [{"item_id": "a", "payload": {}}',
        b'{"batch_items": [{"item_id": "a", "payload": {}}]} and more',
        b'{"batch_items": [{"item_id": "\xff", "payload": {}}]}',
        rb'{"batch_items": [{"item_id": "\ud800", "payload": {}}]}',
        b'{"batch_items": [{"item_id": "a", "payload": ' + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"}]}",
        b'{"batch_items": [{"item_id": "a", "payload": {"a":' + b"[" * 300 + b"]" * 300 + b"}}]}",
    ],
)
def test_a_body_without_usable_items_is_refused_and_leaves_nothing(merge: Merge, document: Any, media_root: Path) -> None:
    problem(merge.create(document))
    assert not Batch.objects.exists()
    assert not File.objects.exists()
    assert not IdempotencyRecord.objects.exists()
    assert not [path for path in media_root.rglob("*") if path.is_file()]


def test_a_form_is_refused(merge: Merge) -> None:
    problem(merge.post_form("/api/accounting/v1/invoices/bulk", {"batch_items": "[]"}))


@pytest.mark.parametrize(
    "fails",
    [
        "batches.dialects.merge.views.linked_account",
        "batches.services.intake.inline.submit",
        "batches.services.intake.submit.record",
    ],
)
def test_a_create_call_that_fails_has_committed_nothing(
    merge: Merge, monkeypatch: pytest.MonkeyPatch, media_root: Path, fails: str
) -> None:
    """So that the SDK, which repeats the call without saying so, makes no second batch."""

    def fail(*_: Any, **__: Any) -> None:
        raise OperationalError("the server closed the connection")

    monkeypatch.setattr(fails, fail)
    answer = merge.create_items("a")
    assert answer.status == 503
    assert detail(answer)
    for table in (Batch, File, IdempotencyRecord):
        assert not table._default_manager.exists()
    assert not [path for path in media_root.rglob("*") if path.is_file()]
    monkeypatch.undo()
    assert merge.create_items("a").status == 202


# --- Repeated calls ------------------------------------------------------------------------------------------


def test_the_same_idempotency_key_and_body_are_the_same_batch(merge: Merge) -> None:
    document = {"batch_items": [item("a")]}
    first = merge.create(document, Idempotency_Key="k1")
    again = merge.create(document, Idempotency_Key="k1", base="/accounting/v1")
    assert (again.status, again.json) == (202, first.json)
    assert merge.create(document, Idempotency_Key="k2").json != first.json
    assert Batch.objects.count() == 2


def test_the_same_idempotency_key_with_another_body_is_refused(merge: Merge) -> None:
    merge.create({"batch_items": [item("a")]}, Idempotency_Key="k1")
    assert problem(merge.create({"batch_items": [item("b")]}, Idempotency_Key="k1"))["problem_type"] == "IDEMPOTENCY_KEY_REUSED"
    assert Batch.objects.count() == 1


def test_a_call_that_is_still_being_worked_on_may_be_repeated_in_a_moment(merge: Merge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(once, "WAIT_SECONDS", 0)
    document = {"batch_items": [item("a")]}
    merge.create(document, Idempotency_Key="k1")
    IdempotencyRecord.objects.update(batch=None)
    answer = merge.create(document, Idempotency_Key="k1")
    assert (answer.status, answer.headers["Retry-After"]) == (409, "2")
    assert "x-should-retry" not in answer.headers
    assert detail(answer)


def test_a_key_that_was_spent_on_a_refused_call_can_be_used_again(merge: Merge) -> None:
    problem(merge.create({"batch_items": []}, Idempotency_Key="k1"))
    assert merge.create({"batch_items": [item("a")]}, Idempotency_Key="k1").status == 202


def test_without_a_key_the_same_body_is_two_batches(merge: Merge) -> None:
    assert merge.batch_id("a") != merge.batch_id("a")


def test_a_counted_retry_without_a_key_is_the_first_batch(merge: Merge) -> None:
    """Merge's own client does not count, others do."""
    document = {"batch_items": [item("a")]}
    first = merge.create(document, x_stainless_retry_count="0")
    assert merge.create(document, x_stainless_retry_count="1").json == first.json
    assert merge.create(document, x_stainless_retry_count="0").json != first.json


def test_models_do_not_share_idempotency_keys(merge: Merge) -> None:
    document = {"batch_items": [item("a")]}
    first = merge.create(document, Idempotency_Key="k1")
    assert merge.create(document, Idempotency_Key="k1", model="expenses").json != first.json
