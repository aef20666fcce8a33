"""Emergency stops in the console: begun and ended after a question, and seen wherever somebody looks."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from batches.models import AuditEntry, EmergencyStop, Project, Role, Stopped
from batches.rules.states import BatchStatus
from batches.services.policy.emergency_stop import Place, begin_stop
from providers.models import Provider
from tests.cast import TESTER
from tests.console.conftest import MakeBatch, SignIn

STOPS = "/console/stops/"
REASON = "The <gateway> leaks."
TOLD = "The &lt;gateway&gt; leaks."


def begin(what: str = "sending", place: Place = Place(), reason: str = REASON) -> EmergencyStop:  # noqa: B008 - a value
    return begin_stop(Stopped(what), place, reason=reason, actor=TESTER, now=timezone.now())


def text_of(client: Client, path: str, *, status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status
    return " ".join(answer.content.decode().split())


# --- Beginning and ending --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "place", "question"),
    [
        ("sending", "portal", "Stop all sending for the whole portal?"),
        ("intake", "portal", "Stop all intake for the whole portal?"),
        ("sending", "provider:simulator", "Stop all sending for provider simulator?"),
        ("intake", "project:acme", "Stop all intake for project acme?"),
    ],
)
def test_a_stop_begins_after_a_question_with_its_consequences(
    console: Client, make_batch: MakeBatch, what: str, place: str, question: str
) -> None:
    make_batch(BatchStatus.IN_PROGRESS, pending=3)
    address = f"{STOPS}new/?what={what}&place={place}"
    text = text_of(console, address)
    assert question in text
    assert "One sentence for the tenants" in text
    if what == "sending":
        assert "<b>1</b> running batch, with <b>3</b> requests left to send." in text
        assert "Deadlines do not move" in text
    else:
        assert "are refused with 503" in text
    assert not EmergencyStop.objects.exists(), "a question does nothing"
    answer = console.post(address, {"reason": "The <gateway> leaks"}, follow=True)
    stop = EmergencyStop.objects.get()
    assert (stop.what, stop.reason, stop.began_by) == (what, REASON, "user operator")
    assert f"{stop.sentence} The stop lasts until an administrator ends it." in " ".join(answer.content.decode().split())


def test_a_stop_without_a_reason_is_not_begun(console: Client, simulator: Provider) -> None:
    answer = console.post(f"{STOPS}new/?what=sending&place=portal", {"reason": " "})
    assert answer.status_code == 422
    assert not EmergencyStop.objects.exists()


def test_what_is_stopped_already_is_said(console: Client, simulator: Provider) -> None:
    begin()
    answer = console.post(f"{STOPS}new/?what=sending&place=portal", {"reason": "Again"})
    assert answer.status_code == 422
    assert "Sending is stopped already for the whole portal." in answer.content.decode()


@pytest.mark.parametrize("query", ["what=all&place=portal", "what=sending", "what=sending&place=provider:nobody", "place=%00"])
def test_a_place_that_there_is_not_is_asked_for_again(console: Client, simulator: Provider, query: str) -> None:
    assert "Stop sending or intake" in text_of(console, f"{STOPS}new/?{query}", status=422)


def test_it_ends_with_one_click_after_a_question(console: Client, make_batch: MakeBatch) -> None:
    make_batch(BatchStatus.IN_PROGRESS, pending=2)
    stop = begin()
    text = text_of(console, f"{STOPS}{stop.pk}/end/")
    assert "End the stop of sending for the whole portal?" in text
    assert "<b>1</b> running batch, with <b>2</b> requests left, is sent again" in text
    assert EmergencyStop.objects.active().exists()
    for told in ("Stop ended: sending resumes for the whole portal.", "This stop had already ended"):
        assert told in console.post(f"{STOPS}{stop.pk}/end/", follow=True).content.decode()
    stop.refresh_from_db()
    assert stop.ended_by == "user operator"
    assert list(AuditEntry.objects.order_by("id").values_list("act", flat=True)) == ["stop_sending", "end_stop_of_sending"]
    assert "Ended recently" in text_of(console, STOPS)


def test_an_admin_of_a_project_stops_that_and_nothing_else(
    member: SignIn, project: Project, other_project: Project, simulator: Provider
) -> None:
    admin = member(Role.ADMIN)
    offered = text_of(admin, f"{STOPS}new/")
    assert "project:acme" in offered
    assert not any(other in offered for other in ("globex", "provider:simulator", "The whole portal"))
    for place in ("portal", "provider:simulator", "project:globex"):
        assert admin.post(f"{STOPS}new/?what=sending&place={place}", {"reason": "x"}).status_code == 422
    assert admin.post(f"{STOPS}new/?what=sending&place=project:acme", {"reason": "x"}).status_code == 302
    assert EmergencyStop.objects.get().project == project


def test_who_may_not_end_a_stop_sees_it_and_is_refused_on_record(member: SignIn, project: Project, simulator: Provider) -> None:
    stop = begin()
    admin = member(Role.ADMIN)
    text = text_of(admin, STOPS)
    assert TOLD in text
    assert "End the stop" not in text
    assert "tester" not in text, "who runs the portal is not told"
    assert admin.post(f"{STOPS}{stop.pk}/end/").status_code == 403
    refused = AuditEntry.objects.get(outcome="refused")
    assert (refused.act, refused.target) == ("end_stop", str(stop))
    assert EmergencyStop.objects.active().exists()


# --- Seen everywhere -------------------------------------------------------------------------------------------


PAGES = [
    "/console/overview/",
    "/console/batches/",
    "/console/providers/",
    "/console/errors/",
    "/console/bulk/",
    "/api/docs/",
    "/admin/",
]


@pytest.mark.parametrize("path", PAGES)
def test_every_page_tells_of_a_stop_that_concerns_its_reader(console: Client, simulator: Provider, path: str) -> None:
    begin("intake", Place(provider=simulator))
    text = text_of(console, path)
    assert "<b>Intake is stopped for provider simulator.</b>" in text
    assert TOLD in text


def test_a_page_that_polls_gets_the_banner_with_its_regions(console: Client, make_batch: MakeBatch) -> None:
    make_batch(BatchStatus.IN_PROGRESS, pending=1)
    headers = {"X-Requested-With": "fragment"}
    before = console.get("/console/batches/", headers=headers)
    begin()
    after = console.get("/console/batches/", headers=headers | {"If-None-Match": before.headers["ETag"]})
    assert after.status_code == 200
    assert '<div id="stops">' in before.content.decode()
    assert TOLD in after.content.decode()


def test_nobody_is_told_of_what_does_not_concern_them(
    member: SignIn, project: Project, other_project: Project, simulator: Provider
) -> None:
    theirs = Provider.objects.create(name="theirs", adapter="simulator", granted_to_all=False)
    begin(place=Place(project=other_project))
    begin(place=Place(provider=theirs))
    viewer = member(Role.VIEWER)
    for path in (*PAGES[:5], STOPS):
        text = text_of(viewer, path)
        assert TOLD not in text
        assert "globex" not in text
    assert TOLD not in text_of(Client(), "/console/login/")


def test_a_person_of_no_project_is_told_of_the_portal_alone(member: SignIn, other_project: Project, simulator: Provider) -> None:
    begin()
    begin("intake", Place(project=other_project))
    text = text_of(member(None), "/console/overview/", status=403)
    assert "Sending is stopped for the whole portal." in text
    assert "globex" not in text


def test_many_stops_do_not_fill_the_page(console: Client, simulator: Provider) -> None:
    for number in range(6):
        begin(place=Place(project=Project.objects.create(slug=f"p{number}")))
    text = text_of(console, "/console/batches/")
    assert text.count("<b>Sending is stopped for project") == 3
    assert "3 more emergency stops" in text


def test_the_overview_has_it_under_needs_attention(console: Client, make_batch: MakeBatch) -> None:
    batch = make_batch(BatchStatus.IN_PROGRESS, pending=1, remark="Held")
    stop = begin()
    attention = text_of(console, "/console/overview/").partition("Needs attention")[2]
    assert "Sending is stopped for the whole portal." in attention
    assert f"{STOPS}{stop.pk}/end/" in attention
    assert "Nothing is stuck" not in attention
    assert "condition=stopped" in attention
    rows = console.get("/console/batches/?condition=stopped").context["rows"]
    assert [(row.batch, row.standing.word) for row in rows] == [(batch, "Stopped")]


def test_the_page_of_a_batch_says_why_it_waits_and_that_its_deadline_goes_on(console: Client, make_batch: MakeBatch) -> None:
    batch = make_batch(BatchStatus.IN_PROGRESS, pending=1)
    assert "Expected end" in text_of(console, f"/console/batches/{batch}/")
    begin(place=Place(project=batch.project))
    text = text_of(console, f"/console/batches/{batch}/")
    assert "Expected end" not in text
    assert f"Sending is stopped for project acme. {TOLD} The deadline does not move." in text
    assert ">Stopped</span>" in text


@pytest.mark.parametrize(("what", "word"), [("sending", "Sending stopped"), ("intake", "Idle")])
def test_the_page_of_a_provider_tells_of_it_and_offers_to_end_it(
    console: Client, simulator: Provider, what: str, word: str
) -> None:
    begin(what, Place(provider=simulator))
    text = text_of(console, "/console/providers/simulator/")
    assert f">{word}</span>" in text
    assert "End the stop…" in text
    assert "place=provider:simulator" in text
    assert f">{word}</span>" in text_of(console, "/console/providers/")


def test_a_stop_of_one_project_is_not_the_providers_own(console: Client, project: Project, simulator: Provider) -> None:
    begin(place=Place(project=project))
    assert ">Idle</span>" in text_of(console, "/console/providers/simulator/")


def test_a_stopped_batch_is_not_called_stuck(console: Client, make_batch: MakeBatch) -> None:
    batch = make_batch(BatchStatus.IN_PROGRESS, pending=1, succeeded=1)
    long_ago = timezone.now() - timedelta(hours=1)
    type(batch).objects.update(updated_at=long_ago)
    batch.slices.update(last_settled_at=long_ago)
    assert len(console.get("/console/batches/?condition=stuck").context["rows"]) == 1
    begin()
    assert console.get("/console/batches/?condition=stuck").context["rows"] == []
    assert len(console.get("/console/batches/?view=attention").context["rows"]) == 1


# --- What is refused while intake is stopped -------------------------------------------------------------------


def test_the_console_says_why_nothing_new_is_taken(console: Client, make_batch: MakeBatch, project: Project) -> None:
    ended = make_batch(succeeded=1, failed=1)
    begin("intake", Place(project=project))
    assert ended.input_file is not None
    clone = f"/console/batches/new/{ended.input_file}/?endpoint=/v1/chat/completions&provider=simulator&window=24h"
    for path, said in ((clone, {}), (f"/console/batches/{ended}/retry/", {"version": "1"})):
        answer = console.post(path, said)
        assert answer.status_code == 503, path
        assert "Intake is stopped for project acme." in answer.content.decode()
    assert type(ended).objects.count() == 1
