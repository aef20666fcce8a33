"""Retrying from the browser: a question that says what will happen, and an act that happens once."""

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from batches.models import Batch, BatchObject, ErrorGroup, Event, Project, Role
from batches.rules.states import Act
from batches.services.storage.store import hide
from providers.models import Provider
from tests.cast import TESTER, request_lines, started, submitted
from tests.console.conftest import SignIn
from tests.rounds import again, at, child_of, completed, failed, fingerprint_of, lines_of, run, validated

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("simulator")]


@pytest.fixture
def batch(project: Project, settings: Settings) -> Batch:
    """Eight objects in three slices, of which lines 1, 4 and 5 have failed; it runs."""
    settings.SLICE_LINES = 3
    batch = started(project, request_lines(8))
    run(batch, odd={1, 4}, late={5}, keep={8})
    return Batch.objects.get(pk=batch.pk)


@pytest.fixture
def over(project: Project) -> Batch:
    """Four objects, of which lines 1 and 4 have failed; it has ended."""
    return completed(started(project, request_lines(4)), odd={1, 4})


def address(batch: Batch, query: str = "") -> str:
    return f"/console/batches/{batch}/retry/{query}"


def asked(client: Client, batch: Batch, query: str = "") -> str:
    answer = client.get(address(batch, query))
    assert answer.status_code == 200
    return answer.content.decode()


def sent(client: Client, batch: Batch, query: str = "", **fields: object) -> str:
    """The page that a retry led to."""
    data = {"version": Batch.objects.get(pk=batch.pk).version} | fields
    answer = client.post(address(batch, query), data, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def test_all_that_failed_in_a_running_batch_is_sent_again_in_place(console: Client, batch: Batch) -> None:
    page = asked(console, batch)
    assert "Send 3 requests again?" in page
    assert "<b>in this batch</b>" in page
    assert "<span>Provider</span>" not in page
    assert "3 requests will be sent again in this batch, as a new round." in sent(console, batch, reason="Fixed\0.")
    assert failed(batch) == set()
    event = batch.events.get(act=Act.RETRIED)
    assert (event.actor, event.source, event.note) == ("user operator", "console", "3 objects in place. Fixed\ufffd.")


def test_one_group_is_sent_again(console: Client, batch: Batch) -> None:
    query = f"?error={fingerprint_of(batch, 'timeout')}"
    page = asked(console, batch, query)
    assert "Send 1 request again?" in page
    assert "Too late." in page
    assert "1 request will be sent again in this batch" in sent(console, batch, query)
    assert failed(batch) == {1, 4}


def test_ticked_objects_are_sent_again_and_what_has_not_failed_is_left_out(console: Client, batch: Batch) -> None:
    page = asked(console, batch, "?some=yes&line=1&line=2&line=8")
    assert "Send 1 request again?" in page
    assert "<b>2</b> skipped: they succeeded or did not finish yet." in page
    assert "row-8" in page
    assert "2 skipped: already succeeded, or in another retry." in sent(console, batch, "?some=yes&line=1&line=2&line=8")
    assert failed(batch) == {4, 5}


def test_after_its_end_a_child_batch_sends_them_again_at_whom_one_chooses(console: Client, over: Batch) -> None:
    Provider.objects.create(name="other", adapter="simulator", granted_to_all=True)
    page = asked(console, over)
    assert "child batch" in page
    assert '<option value="other">' in page
    page = sent(console, over, provider="other", reason="A better one.")
    child = Batch.objects.get(parent=over)
    assert "This batch sends 2 requests again." in page
    assert (child.provider.name, child.created_by) == ("other", "user operator")
    assert len(lines_of(child.input_file)) == 2


def test_what_another_retry_has_is_left_out_and_the_question_says_so(console: Client, over: Batch) -> None:
    completed(child_of(over, at(1)))
    child_of(over, at(4))
    page = asked(console, over)
    assert "No request can be sent again" in page
    assert "<b>1</b> skipped: it already succeeded in a retry." in page
    assert "<b>1</b> skipped: it is in a retry that has not ended." in page
    assert "Send 0 again" not in page
    assert "None of the selected objects has failed" not in page


def test_a_cost_is_estimated_from_what_the_batch_has_cost(console: Client, over: Batch) -> None:
    Batch.objects.filter(pk=over.pk).update(cost_nanos=30_000_000, unpriced=0)
    assert "about <b>0.0300 USD</b>" in asked(console, over)


@pytest.mark.parametrize("query", ["", "?line=1&line=4"])
def test_a_double_click_on_a_running_batch_retries_once(console: Client, batch: Batch, query: str) -> None:
    version = batch.version
    sent(console, batch, query, version=version)
    run(batch, odd={1, 4, 5})
    page = sent(console, batch, query, version=version)
    assert f"You retried {batch} a moment ago, so nothing was sent twice." in page
    assert failed(batch) >= {1, 4}
    assert Event.objects.filter(batch=batch, act=Act.RETRIED).count() == 1


def test_a_double_click_on_an_ended_batch_makes_one_child(console: Client, over: Batch) -> None:
    version = over.version
    sent(console, over, version=version)
    child = Batch.objects.get(parent=over)
    answer = console.post(address(over), {"version": version})
    assert answer.headers["Location"] == f"/console/batches/{child}/"
    completed(validated(child), odd={1, 2})
    assert "nothing was sent twice" in sent(console, over, version=version), "also when they have failed once more"
    assert Batch.objects.get(parent=over) == child


def test_who_comes_second_is_asked_again_with_what_is_left(console: Client, batch: Batch) -> None:
    version = batch.version
    again(Batch.objects.get(pk=batch.pk), at(1))
    answer = console.post(address(batch), {"version": version, "reason": "Mine"})
    assert answer.status_code == 409
    page = answer.content.decode()
    assert "The object changed while this was done; read it again." in page
    assert "Send 2 requests again?" in page
    assert "Mine" in page
    assert failed(batch) == {4, 5}


def test_a_batch_that_ended_while_one_read_is_asked_about_again(console: Client, over: Batch) -> None:
    answer = console.post(address(over), {"version": over.version - 1})
    assert answer.status_code == 409
    assert "child batch" in answer.content.decode()
    assert not Batch.objects.filter(parent=over).exists()


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("?line=99", "has no object at line 99"),
        ("?line=0", "A line must be a whole number."),
        ("?line=x", "A line must be a whole number."),
        ("?line=99999999999999999999", "A line must be a whole number."),
        ("?line=" + "9" * 5000, "A line must be a whole number."),
        ("?line=1&error=v1:x", "does not name requests"),
        ("?error=v1:none", "No object of this batch failed for a reason of this group."),
        ("?error=%00", "does not name requests"),
        ("?some=yes", "Tick the requests to send again."),
    ],
)
def test_what_the_batch_has_not_is_refused_and_nothing_is_sent(console: Client, batch: Batch, query: str, message: str) -> None:
    for answer in (console.get(address(batch, query), follow=True), console.post(address(batch, query), follow=True)):
        assert message in answer.content.decode()
    assert failed(batch) == {1, 4, 5}


def test_a_provider_that_there_is_not_is_refused(console: Client, over: Batch) -> None:
    answer = console.post(address(over), {"version": over.version, "provider": "nobody\0"})
    assert answer.status_code == 400
    assert "There is no provider" in answer.content.decode()
    assert not Batch.objects.filter(parent=over).exists()


def test_a_batch_without_failures_has_nothing_to_retry(console: Client, project: Project) -> None:
    batch = completed(started(project, request_lines(2)))
    page = asked(console, batch)
    assert "No request can be sent again" in page
    assert "No request of this batch has failed." in page
    answer = console.post(address(batch), {"version": batch.version})
    assert (answer.status_code, Batch.objects.count()) == (409, 1)
    assert "/retry/" not in console.get(f"/console/batches/{batch}/").content.decode()


def test_a_batch_that_is_being_checked_or_whose_input_is_gone_cannot_be_retried(
    console: Client, over: Batch, project: Project
) -> None:
    answer = console.get(address(submitted(project, request_lines(1))), follow=True)
    assert "cannot be retried" in answer.content.decode()
    assert over.input_file is not None
    hide(over.input_file, actor=TESTER, now=timezone.now())
    for answer in (console.get(address(over), follow=True), console.post(address(over), follow=True)):
        assert "no longer kept, so that its requests cannot be sent again" in answer.content.decode()


def test_a_quota_that_is_used_up_is_told(console: Client, over: Batch, project: Project) -> None:
    Project.objects.filter(pk=project.pk).update(max_open_batches=0)
    assert console.post(address(over), {"version": over.version}).status_code == 429


def test_the_batch_page_offers_ticks_for_what_can_be_sent_again(console: Client, batch: Batch, member: SignIn) -> None:
    page = console.get(f"/console/batches/{batch}/").content.decode()
    assert page.count(' name="line" value="') == 3
    assert 'aria-label="Select row-4"' in page
    assert f'href="/console/batches/{batch}/retry/?worth=yes"' in page
    for group in ErrorGroup.objects.all():
        assert f"/retry/?error={group.fingerprint.replace(':', '%3A')}" in page
        assert f"/console/errors/{group.fingerprint}/" in page
    assert "67 % of the failures" in page
    viewer = member(Role.VIEWER).get(f"/console/batches/{batch}/").content.decode()
    assert "/retry/" not in viewer
    assert 'name="line"' not in viewer


def test_what_is_sent_for_again_stays_visible_as_retrying(console: Client, batch: Batch) -> None:
    again(batch, at(4))
    assert "retrying, round 2" in console.get(f"/console/batches/{batch}/?status=pending").content.decode()
    page = console.get(f"/console/batches/{batch}/lines/4/").content.decode()
    assert '<span class="tag">retrying</span>' in page
    assert "/retry/" not in page
    earlier = console.get(f"/console/batches/{batch}/lines/4/?round=1").content.decode()
    assert "Odd." in earlier
    assert "&quot;error&quot;: {}" in earlier
    assert BatchObject.objects.get(batch=batch, line=4).is_retrying


def test_a_muted_group_says_so_in_its_batch(console: Client, batch: Batch) -> None:
    ErrorGroup.objects.update(muted_at=timezone.now(), note="Known <b>")
    page = console.get(f"/console/batches/{batch}/").content.decode()
    assert '<span class="badge mute">Muted</span>' in page
    assert "Known &lt;b&gt;" in page
