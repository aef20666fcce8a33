"""An erasure whose worker is killed at any moment is gone on with, and nothing stays half-erased."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from batches.models import Batch, Erasure, Project, Purpose
from batches.services.consistency.verify import disagreements
from batches.services.erasure.erase import ask, go_on, run
from batches.services.erasure.subject import Subject
from batches.services.intake.uploads import add_part, start_upload
from batches.services.retention.holds import place_hold, release_hold
from tests.cast import TESTER, request_line, stored
from tests.services.erasure.conftest import Look
from tests.services.pruned import mixed

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("simulator")]

LATER = timedelta(hours=1)  # by then the lease of a killed worker has run out


class Killed(BaseException):
    """The process ends here."""


class Killer:
    """Kills at a statement that writes. It counts them."""

    def __init__(self, at: int) -> None:
        self.left = at

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith(("UPDATE", "INSERT", "DELETE")):
            self.left -= 1
            if self.left == 0:
                raise Killed
        return execute(sql, params, many, context)


def killed(erasure: Erasure, *, at: int) -> bool:
    """Whether an erasure was killed at this statement; else it has ended before."""
    try:
        with connection.execute_wrapper(Killer(at)):
            run(erasure.pk, now=timezone.now())
    except Killed:
        return True
    return False


@pytest.mark.parametrize("kind", list(Erasure.Kind))
@pytest.mark.parametrize("at", [*range(2, 12), *range(12, 40, 4)])
def test_a_killed_erasure_is_gone_on_with(project: Project, settings: Settings, where: Look, kind: Erasure.Kind, at: int) -> None:
    batch = mixed(project, settings, prefix="somebody")
    Batch.objects.filter(pk=batch.pk).update(metadata={"customer": "somebody-7"}, remark="somebody-7, again")
    stored(project, request_line("somebody-7") + request_line("other"))
    text = "somebody-7" if kind is Erasure.Kind.CUSTOM_ID else "customer=somebody-7"
    erasure = ask(project, Subject.of(kind, text), reason="A letter.", actor=TESTER, now=timezone.now())

    is_killed = killed(erasure, at=at)
    assert is_killed or at > 11
    assert run(erasure.pk, now=timezone.now()) is None, "its lease has not run out"
    go_on(now=timezone.now() + LATER)

    erasure.refresh_from_db()
    assert erasure.ended_at is not None
    places = where("somebody-7")
    if kind is Erasure.Kind.METADATA:  # the other input is no part of the pair's batches
        places = [place for place in places if not place.startswith("file")]
    assert places == []
    assert list(disagreements(Batch.objects.all(), now=timezone.now())) == []


def test_an_ended_erasure_is_not_done_again(project: Project) -> None:
    erasure = ask(project, Subject("nobody-at-all"), reason="A letter.", actor=TESTER, now=timezone.now())
    assert run(erasure.pk, now=timezone.now()) is not None
    ended = Erasure.objects.get().ended_at
    assert run(erasure.pk, now=timezone.now()) is None
    go_on(now=timezone.now() + LATER)
    assert Erasure.objects.get().ended_at == ended


def test_an_erasure_waits_while_a_hold_that_was_placed_meanwhile_lasts(project: Project, settings: Settings, where: Look) -> None:
    batch = mixed(project, settings, prefix="somebody")
    erasure = ask(project, Subject("somebody-7"), reason="A letter.", actor=TESTER, now=timezone.now())
    hold = place_hold(project, batch=batch, reason="A lawsuit.", actor=TESTER, now=timezone.now())
    assert run(erasure.pk, now=timezone.now()) is None
    assert where("somebody-7") != []
    release_hold(hold, reason="It is settled.", actor=TESTER, now=timezone.now())
    go_on(now=timezone.now() + LATER)
    assert where("somebody-7") == []


def test_parts_of_an_unfinished_upload_are_told_of(project: Project) -> None:
    now = timezone.now()
    upload = start_upload(project, filename="x", mime_type="x", purpose=Purpose.USER_DATA, size=6, now=now)
    add_part(upload, ContentFile(b"abc"), now=now)
    erasure = ask(project, Subject("nobody-at-all"), reason="A letter.", actor=TESTER, now=now)
    assert run(erasure.pk, now=now) is not None
    assert Erasure.objects.get().left == [f"The parts of {upload} were not searched: it is not complete."]
