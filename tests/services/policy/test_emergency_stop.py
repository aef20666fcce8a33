"""Emergency stops: begun, ended, and what they keep from whom."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.utils import timezone

from batches.models import AuditEntry, Batch, EmergencyStop, File, Membership, Project, Purpose, Role, Slice, Stopped
from batches.rules.errors import InvalidRequest, NotPermitted
from batches.rules.states import Source
from batches.services.control.reroute import reroute
from batches.services.core.access import access_of
from batches.services.intake.drafts import start
from batches.services.intake.uploads import add_part, cancel_upload, complete_upload, start_upload
from batches.services.lifecycle.settle import Report, settle
from batches.services.lifecycle.turns import candidates
from batches.services.policy.emergency_stop import (
    AlreadyStopped,
    IntakeStopped,
    Place,
    begin_stop,
    end_stop,
    require_intake,
    require_may_stop,
    seen_by,
    seen_in,
    stops_in_force,
)
from batches.services.policy.stops_in_force import sending_is_stopped
from batches.services.retry.retry import retry
from batches.services.retry.selection import Selection
from batches.services.standing.look import Look
from providers.models import Provider
from tests.cast import TESTER, asked, request_lines, started, stored, submitted

pytestmark = pytest.mark.django_db


@pytest.fixture
def other(db: None) -> Provider:
    return Provider.objects.create(name="other", adapter="simulator", granted_to_all=True)


def begin(what: Stopped, place: Place = Place(), reason: str = "It is on fire") -> EmergencyStop:  # noqa: B008 - a value
    return begin_stop(what, place, reason=reason, actor=TESTER, now=timezone.now())


def places(project: Project, provider: Provider) -> dict[str, Place]:
    return {"portal": Place(), "provider": Place(provider=provider), "project": Place(project=project)}


# --- Beginning and ending --------------------------------------------------------------------------------------


@pytest.mark.both
@pytest.mark.parametrize("where", ["portal", "provider", "project"])
@pytest.mark.parametrize("what", Stopped)
def test_a_stop_is_on_record_from_its_beginning_to_its_end(
    project: Project, simulator: Provider, what: Stopped, where: str
) -> None:
    place = places(project, simulator)[where]
    stop = begin(what, place)
    assert stop.reason == "It is on fire."
    with pytest.raises(AlreadyStopped, match="stopped already for"):
        begin(what, place)
    assert end_stop(stop, actor=TESTER, now=timezone.now())
    assert not end_stop(stop, actor=TESTER, now=timezone.now())
    began, ended = AuditEntry.objects.order_by("id")
    assert (began.act, began.reason, began.target_id) == (f"stop_{what}", "It is on fire.", str(stop.pk))
    assert (ended.act, ended.target, ended.project) == (f"end_stop_of_{what}", str(stop), place.project)
    assert "by tester: It is on fire." in ended.reason
    begin(what, place)
    assert EmergencyStop.objects.count() == 2


@pytest.mark.both
def test_there_is_one_stop_of_a_kind_in_a_place_however_many_begin_it(simulator: Provider) -> None:
    """The database says so, whatever the service has seen."""
    now = timezone.now()
    stop = EmergencyStop(what=Stopped.SENDING, provider=simulator, reason="x.", began_at=now, began_by="x")
    stop.save()
    with pytest.raises(AlreadyStopped):
        begin(Stopped.SENDING, Place(provider=simulator))
    begin(Stopped.INTAKE, Place(provider=simulator))
    begin(Stopped.SENDING)


@pytest.mark.parametrize("reason", ["", "  ", "x" * 300, "a\0b", "a\u202eb"])
def test_a_reason_is_a_sentence_that_people_can_read(reason: str) -> None:
    with pytest.raises(InvalidRequest) as found:
        begin(Stopped.SENDING, reason=reason)
    assert found.value.param == "reason"
    assert not EmergencyStop.objects.exists()
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize(("role", "allowed"), [(Role.VIEWER, set()), (Role.OPERATOR, set()), (Role.ADMIN, {"project"})], ids=str)
def test_who_administers_a_project_stops_that_alone(project: Project, simulator: Provider, role: Role, allowed: set[str]) -> None:
    person = User.objects.create_user("anna")
    Membership.objects.create(user=person, project=project, role=role)
    access, may = access_of(person, source=Source.CONSOLE), set()
    for where, place in places(project, simulator).items():
        try:
            require_may_stop(access, place, act="stop", now=timezone.now())
        except NotPermitted:
            continue
        may.add(where)
    assert may == allowed
    assert AuditEntry.objects.filter(outcome="refused").count() == 3 - len(allowed)


# --- Sending ---------------------------------------------------------------------------------------------------


@pytest.mark.both
@pytest.mark.parametrize("where", ["portal", "provider", "project"])
def test_claim_settle_filter_and_page_agree_on_what_is_not_sent(
    project: Project, other_project: Project, simulator: Provider, other: Provider, where: str
) -> None:
    """One rule, asked as SQL by the claim, and as a condition by everybody else."""
    batches = [
        started(owner, request_lines(1), provider_name=provider.name)
        for owner in (project, other_project)
        for provider in (simulator, other)
    ]
    begin(Stopped.SENDING, places(project, simulator)[where])
    begin(Stopped.INTAKE)
    ended = begin(Stopped.SENDING, Place(provider=other))
    end_stop(ended, actor=TESTER, now=timezone.now())
    expected = {
        batch.pk
        for batch in batches
        if where == "portal"
        or (where == "provider" and batch.provider == simulator)
        or (where == "project" and batch.project == project)
    }
    everything = {batch.pk for batch in batches}
    assert everything - {found.batch_id for found in candidates(now=timezone.now(), most=1)} == expected
    assert set(Batch.objects.filter(sending_is_stopped()).values_list("pk", flat=True)) == expected
    look = Look.at((batch.provider_id for batch in batches), now=timezone.now())
    assert {batch.pk for batch in batches if look.stop_of(batch)} == expected
    leased = {batch.slices.get().pk: batch for batch in batches}
    Slice.objects.update(lease_epoch=1, lease_expires_at=timezone.now() + timedelta(minutes=1))
    receipt = settle(Report({batch.pk: batch for batch in batches}, dict.fromkeys(leased, 1)), now=timezone.now())
    assert receipt.held_back == expected


# --- Intake ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["portal", "provider", "project"])
def test_nothing_new_is_taken_in_and_what_there_is_can_be_ended(
    project: Project, other_project: Project, simulator: Provider, other: Provider, where: str
) -> None:
    file, now = stored(project, request_lines(1)), timezone.now()
    upload = start_upload(project, filename="x", mime_type="text/plain", purpose=Purpose.BATCH, size=1, now=now)
    part = add_part(upload, ContentFile(b"x"), now=now)
    batch = started(project, request_lines(1), provider_name="simulator")
    begin(Stopped.INTAKE, places(project, simulator)[where])
    refusals: dict[str, Callable[[], object]] = {
        "submit": lambda: submitted(project, request_lines(1), provider_name="simulator"),
        "start": lambda: start(file, asked(project, provider_name="simulator"), since=now, actor=TESTER, now=now),
        "retry": lambda: retry(batch, selection=Selection(), actor=TESTER, now=now),
    }
    if where != "provider":
        refusals |= {
            "store": lambda: stored(project, b"{}\n"),
            "upload": lambda: start_upload(project, filename="x", mime_type="text/plain", purpose=Purpose.BATCH, size=1, now=now),
            "part": lambda: add_part(upload, ContentFile(b"x"), now=now),
            "complete": lambda: complete_upload(upload, part_ids=[part.pk], now=now),
        }
    files = File.objects.count()
    for name, act in refusals.items():
        if name == "submit" and where == "provider":
            files += 1  # it is stored before a provider is chosen
        with pytest.raises(IntakeStopped, match="It is on fire"):
            act()
    assert Batch.objects.count() == 1
    assert File.objects.count() == files
    cancel_upload(upload, now=now)
    if where != "portal":
        submitted(other_project, request_lines(1), provider_name="other")
    if where == "provider":
        submitted(project, request_lines(1), provider_name="other")


def test_a_batch_is_not_moved_to_a_provider_that_takes_nothing(project: Project, simulator: Provider, other: Provider) -> None:
    batch = started(project, request_lines(1), provider_name="simulator")
    begin(Stopped.INTAKE, Place(provider=other))
    with pytest.raises(IntakeStopped):
        reroute(batch, provider_name="other", actor=TESTER, now=timezone.now())
    batch.refresh_from_db()
    assert batch.provider == simulator


def test_a_stop_of_sending_refuses_nothing(project: Project, simulator: Provider) -> None:
    begin(Stopped.SENDING)
    require_intake(project, provider=simulator)
    assert submitted(project, request_lines(1)).status == "validating"


# --- Who sees it -----------------------------------------------------------------------------------------------


def test_a_stop_is_seen_by_those_whom_it_concerns(
    project: Project, other_project: Project, simulator: Provider, operator: User
) -> None:
    theirs = Provider.objects.create(name="theirs", adapter="simulator", granted_to_all=False)
    for place in (Place(), Place(simulator), Place(theirs), Place(project=project), Place(project=other_project)):
        begin(Stopped.SENDING, place)
    person = User.objects.create_user("anna")
    Membership.objects.create(user=person, project=project, role=Role.VIEWER)
    concerned = ["the whole portal", "provider simulator", "project acme"]
    active = stops_in_force()
    assert [stop.place for stop in seen_by(access_of(person, source=Source.CONSOLE), active)] == concerned
    assert [stop.place for stop in seen_in(project, active, providers=[simulator])] == concerned
    assert len(seen_by(access_of(operator, source=Source.CONSOLE), active)) == 5
