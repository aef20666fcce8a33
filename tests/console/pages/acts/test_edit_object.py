"""Editing a request and sending it again: a form, what is different, and a child batch of one object."""

import json

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from batches.console.pages.acts import edit_object
from batches.models import AuditEntry, Batch, File, Project, Role
from batches.rules.states import Act
from batches.services.storage.store import hide
from tests.cast import TESTER, request_line, request_lines, started
from tests.console.conftest import SignIn
from tests.rounds import completed, lines_of, run, validated

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("simulator")]

BODY = '{\r\n  "model": "m",\r\n  "n": "another <b>"\r\n}'


@pytest.fixture
def batch(project: Project) -> Batch:
    """Three objects, of which the first has failed; it has ended."""
    return completed(started(project, request_lines(3)), odd={1})


def address(batch: Batch, line: int = 1) -> str:
    return f"/console/batches/{batch}/lines/{line}/edit/"


def posted(client: Client, batch: Batch, act: str = "compare", *, body: str = BODY, **fields: object) -> tuple[int, str]:
    answer = client.post(address(batch), {"act": act, "body": body, "version": batch.version} | fields, follow=True)
    return answer.status_code, answer.content.decode()


def test_a_request_is_edited_compared_and_sent_as_a_child_batch(console: Client, batch: Batch) -> None:
    assert f"/console/batches/{batch}/lines/1/edit/" in console.get(f"/console/batches/{batch}/lines/1/").content.decode()
    form = console.get(address(batch)).content.decode()
    assert "&quot;n&quot;: &quot;row-1&quot;" in form

    status, page = posted(console, batch)
    assert status == 200
    assert "changed n" in page
    assert "<del>  &quot;n&quot;: &quot;<b>row-1</b>&quot;</del>" in page
    assert "<ins>  &quot;n&quot;: &quot;<b>another &lt;b&gt;</b>&quot;</ins>" in page
    assert not Batch.objects.filter(parent=batch).exists()

    status, page = posted(console, batch, "send", reason="A typo.")
    child = Batch.objects.get(parent=batch)
    assert "This batch sends 1 request again." in page
    (line,) = lines_of(child.input_file)
    assert json.loads(line) == json.loads(request_line("row-1", n="another <b>"))
    event = batch.events.get(act=Act.RETRIED)
    assert event.note == f"1 object in {child}. Edited: changed n. A typo."
    assert (event.actor, event.source) == ("user operator", "console")


def test_editing_further_keeps_what_was_written(console: Client, batch: Batch) -> None:
    status, page = posted(console, batch, "edit")
    assert status == 200
    assert "another &lt;b&gt;" in page
    assert "Compare…" in page


@pytest.mark.parametrize("act", ["compare", "send"])
@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("{", "The body is not valid JSON"),
        ('{"model": "a\0"}', "The body is not valid JSON: invalid character in line 1."),
        ('{"n": 1}', "body.model is missing."),
        ('{"model": "m", "n": "row-1"}', "Nothing is different."),
        ("", "The body is not valid JSON"),
    ],
)
def test_what_no_line_may_have_is_told_and_nothing_is_sent(
    console: Client, batch: Batch, act: str, body: str, problem: str
) -> None:
    files = File.objects.count()
    status, page = posted(console, batch, act, body=body)
    assert status == 422
    assert problem in page
    assert (Batch.objects.count(), File.objects.count()) == (1, files)


def test_a_body_that_is_too_large_for_a_form_is_refused(console: Client, batch: Batch, settings: Settings) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    assert 400 <= posted(console, batch, body='{"model": "m", "n": "' + "x" * 2000 + '"}')[0] < 500


def test_a_request_that_is_too_large_is_not_offered_for_editing(
    console: Client, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edit_object, "EDITABLE_BYTES", 10)
    assert "too large to be edited" in console.get(address(batch), follow=True).content.decode()


def test_a_double_click_sends_it_once(console: Client, batch: Batch) -> None:
    posted(console, batch, "send")
    child = Batch.objects.get(parent=batch)
    assert "nothing was sent twice" in posted(console, batch, "send")[1]
    completed(validated(child), odd={1})
    assert "nothing was sent twice" in posted(console, batch, "send")[1], "also when it has failed once more"
    assert Batch.objects.get(parent=batch) == child


def test_what_cannot_be_sent_again_cannot_be_edited(console: Client, batch: Batch, project: Project) -> None:
    running = started(project, request_lines(2))
    run(running, odd={1}, keep={2})
    for one, line in ((batch, 2), (running, 1)):
        answer = console.get(address(one, line), follow=True)
        assert "It can be edited once its batch has ended" in answer.content.decode()
        assert "/edit/" not in console.get(f"/console/batches/{one}/lines/{line}/").content.decode()
    assert console.get(address(batch, 9)).status_code == 404
    assert batch.input_file is not None
    hide(batch.input_file, actor=TESTER, now=timezone.now())
    assert "no longer kept" in console.get(address(batch), follow=True).content.decode()


def test_a_viewer_may_not_edit_and_an_operator_only_where_bodies_are_theirs(
    member: SignIn, batch: Batch, settings: Settings
) -> None:
    viewer = member(Role.VIEWER)
    assert (viewer.get(address(batch)).status_code, posted(viewer, batch, "send")[0]) == (403, 403)
    settings.BODIES_ROLE = "admin"
    operator = member(Role.OPERATOR)
    assert (operator.get(address(batch)).status_code, posted(operator, batch, "send")[0]) == (403, 403)
    assert not Batch.objects.filter(parent=batch).exists()
    assert {entry.outcome for entry in AuditEntry.objects.all()} == {"refused"}


def test_the_same_request_is_found_in_the_other_batches_of_its_lineage(console: Client, batch: Batch) -> None:
    posted(console, batch, "send")
    child = Batch.objects.get(parent=batch)
    completed(validated(child))
    page = console.get(f"/console/batches/{batch}/lines/1/").content.decode()
    assert f"/console/batches/{child}/lines/1/" in page
    assert "a retry of this one" in page
    page = console.get(f"/console/batches/{child}/lines/1/").content.decode()
    assert f"/console/batches/{batch}/lines/1/" in page
    assert "retried by this one" in page
