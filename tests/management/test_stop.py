"""`manage.py stop`: what an operator types in an emergency."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from batches.models import AuditEntry, EmergencyStop, Project
from providers.models import Provider

pytestmark = pytest.mark.django_db


def stop(*words: str) -> tuple[str, str]:
    """Run the command: what it writes on stdout, and on stderr."""
    out, err = StringIO(), StringIO()
    call_command("stop", *words, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("sending", "--portal"), "Sending is stopped for the whole portal."),
        (("sending", "--provider", "simulator"), "Sending is stopped for provider simulator."),
        (("intake", "--project", "acme"), "Intake is stopped for project acme."),
    ],
)
def test_it_begins_is_listed_and_ends(project: Project, simulator: Provider, words: tuple[str, ...], said: str) -> None:
    out, err = stop(*words, "--reason", "The gateway leaks")
    begun = EmergencyStop.objects.get()
    assert out == f"{begun.pk}\n"
    assert said in err
    assert f"manage.py stop end {begun.pk}" in err
    assert f"{said} The gateway leaks." in stop("list")[0]
    stop("end", str(begun.pk))
    assert stop("list") == ("", "Nothing is stopped.\n")
    assert set(AuditEntry.objects.values_list("actor", "source")) == {("command", "command")}
    with pytest.raises(CommandError, match="already ended"):
        stop("end", str(begun.pk))


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("sending", "--reason", "x"), "required"),
        (("sending", "--portal", "--provider", "simulator", "--reason", "x"), "not allowed"),
        (("sending", "--portal"), "--reason"),
        (("sending", "--portal", "--reason", " "), "Give a reason"),
        (("sending", "--provider", "nobody", "--reason", "x"), "no provider"),
        (("sending", "--provider", "\0", "--reason", "x"), "no provider"),
        (("intake", "--project", "\udcff", "--reason", "x"), "no project"),
        (("end", "x"), "no stop"),
        (("end", "0" * 32), "no stop"),
    ],
)
def test_what_is_wrong_is_said_and_stops_nothing(simulator: Provider, words: tuple[str, ...], why: str) -> None:
    with pytest.raises(CommandError, match=why):
        stop(*words)
    assert not EmergencyStop.objects.exists()


def test_what_is_stopped_already_is_said(simulator: Provider) -> None:
    stop("sending", "--portal", "--reason", "x")
    with pytest.raises(CommandError, match="stopped already"):
        stop("sending", "--portal", "--reason", "y")
