"""Emergency stops, as clients of the native API see them."""

from collections.abc import Callable

import pytest
from django.utils import timezone

from batches.models import EmergencyStop, Project, Role, Stopped
from batches.rules.states import BatchStatus
from batches.services.policy.emergency_stop import Place, begin_stop
from providers.models import Provider
from tests.api.conftest import Native
from tests.cast import TESTER
from tests.console.conftest import MakeBatch


def begin(what: Stopped, place: Place) -> EmergencyStop:
    return begin_stop(what, place, reason="It is on fire.", actor=TESTER, now=timezone.now())


@pytest.fixture
def stops(project: Project, other_project: Project, simulator: Provider) -> None:
    theirs = Provider.objects.create(name="theirs", adapter="simulator", granted_to_all=False)
    begin(Stopped.SENDING, Place(provider=simulator))
    begin(Stopped.INTAKE, Place(project=project))
    begin(Stopped.SENDING, Place(project=other_project))
    begin(Stopped.SENDING, Place(provider=theirs))


@pytest.mark.usefixtures("stops")
def test_a_project_is_told_of_the_stops_that_concern_it(native: Native, signed_in: Callable[..., Native]) -> None:
    for caller in (native, signed_in(Role.VIEWER)):
        answer = caller.get("stops")
        assert answer.status == 200
        shown = [(stop["what"], stop["provider"], stop["project"]) for stop in answer.json["data"]]
        assert shown == [("sending", "simulator", None), ("intake", None, "acme")]
        assert {stop["reason"] for stop in answer.json["data"]} == {"It is on fire."}
        assert "tester" not in answer.content.decode()


def test_a_batch_waits_for_a_cause_of_its_own(native: Native, make_batch: MakeBatch, simulator: Provider) -> None:
    batch = make_batch(BatchStatus.IN_PROGRESS, pending=1)
    stop = begin(Stopped.SENDING, Place(provider=simulator))
    waiting = native.get(f"batches/{batch}").json["waiting"]
    assert waiting == {
        "code": "sending_stopped",
        "sentence": "Sending is stopped for provider simulator. It is on fire. The deadline does not move.",
        "until": None,
        "details": {"reason": "It is on fire.", "since": stop.began_at.isoformat(), "provider": "simulator"},
    }
