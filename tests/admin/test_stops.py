"""Emergency stops in the admin: begun and ended through the service, with a question."""

import pytest
from django.test import Client
from django.utils import timezone

from batches.models import AuditEntry, EmergencyStop, Project, Role, Stopped
from batches.services.policy.emergency_stop import Place, begin_stop
from providers.models import Provider
from tests.admin.conftest import SignIn
from tests.cast import TESTER

STOPS = "/admin/batches/emergencystop/"


def begin(place: Place) -> EmergencyStop:
    return begin_stop(Stopped.SENDING, place, reason="It is on fire.", actor=TESTER, now=timezone.now())


def form(**changes: object) -> dict[str, object]:
    return {"what": "sending", "provider": "", "project": "", "reason": "It is on fire"} | changes


def end(client: Client, *stops: EmergencyStop, **more: str) -> str:
    said = {"action": "end", "_selected_action": [stop.pk for stop in stops]} | more
    answer = client.post(STOPS, said, follow=True)
    return answer.content.decode()


def test_a_stop_is_begun_on_record_and_shown_on_every_page(console: Client, simulator: Provider) -> None:
    assert console.post(f"{STOPS}add/", form(provider=simulator.pk)).status_code == 302
    stop = EmergencyStop.objects.get()
    assert (stop.provider, stop.reason, stop.began_by) == (simulator, "It is on fire.", "user operator")
    assert AuditEntry.objects.get(act="stop_sending").source == "admin"
    assert "Sending is stopped for provider simulator." in console.get("/admin/").content.decode()
    assert console.post(f"{STOPS}{stop.pk}/change/", form(reason="Another")).status_code == 403


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"reason": " "}, "This field is required"),
        ({"reason": "a\u202eb"}, "printable characters"),
        ({"provider": "SIMULATOR", "project": "ACME"}, "not both"),
        ({"what": "all"}, "not one of the available choices"),
    ],
)
def test_what_is_wrong_is_said(console: Client, project: Project, simulator: Provider, wrong: dict[str, str], said: str) -> None:
    ids = {"SIMULATOR": simulator.pk, "ACME": project.pk}
    answer = console.post(f"{STOPS}add/", form(**{name: ids.get(value, value) for name, value in wrong.items()}))
    assert answer.status_code == 200
    assert said in answer.content.decode()
    assert not EmergencyStop.objects.exists()


def test_what_is_stopped_already_is_said(console: Client, simulator: Provider) -> None:
    begin(Place())
    assert "stopped already for the whole portal" in console.post(f"{STOPS}add/", form()).content.decode()


def test_stops_are_ended_after_a_question(console: Client, project: Project, simulator: Provider) -> None:
    stops = [begin(Place()), begin(Place(project=project))]
    asked = end(console, *stops)
    assert "End 2 stops" in asked
    assert EmergencyStop.objects.active().count() == 2
    assert "2 ended." in end(console, *stops, confirmed="1")
    assert "None of the selected stops is in force" in end(console, *stops)
    assert AuditEntry.objects.filter(act="end_stop_of_sending").count() == 2


def test_an_admin_of_a_project_keeps_the_stops_of_that_project_alone(
    member: SignIn, project: Project, other_project: Project, simulator: Provider
) -> None:
    admin = member(Role.ADMIN, is_staff=True)
    for wrong in (form(), form(provider=simulator.pk), form(project=other_project.pk)):
        assert admin.post(f"{STOPS}add/", wrong).status_code == 200
    assert not EmergencyStop.objects.exists()
    assert admin.post(f"{STOPS}add/", form(project=project.pk)).status_code == 302
    own, foreign = EmergencyStop.objects.get(), begin(Place(provider=simulator))
    end(admin, own, foreign, confirmed="1")
    assert list(EmergencyStop.objects.active()) == [foreign]
    viewer = member(Role.VIEWER, is_staff=True)
    assert viewer.post(f"{STOPS}add/", form(project=project.pk)).status_code == 403
