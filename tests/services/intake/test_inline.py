"""A batch whose requests came in the create call: an input file is made of them, or nothing at all."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as portal_settings
from django.utils import timezone

from batches.models import ApiKey, Batch, Dialect, File, IdempotencyRecord, Project, Purpose
from batches.rules.errors import InvalidRequest, LostRace, NoProvider
from batches.services.intake.idempotency import reserved
from batches.services.intake.inline import spooled, submit_gathered
from providers.models import Provider
from tests.cast import TESTER, asked, request_line

LINES = [request_line("a"), request_line("b")]


def submit(
    project: Project, lines: list[bytes] | None = None, *, reservation: IdempotencyRecord | None = None, **more: Any
) -> Batch:
    submission = asked(project, dialect=Dialect.BIFROST, **more)
    with spooled(LINES if lines is None else lines) as content:
        return submit_gathered(submission, content, actor=TESTER, now=timezone.now(), reservation=reservation)


def temporary_files() -> list[Path]:
    return list(Path(portal_settings.FILE_UPLOAD_TEMP_DIR).iterdir())


def kept(media_root: Path) -> list[Path]:
    return [path for path in media_root.rglob("*") if path.is_file()]


def test_the_lines_become_the_batchs_input_file(project: Project, simulator: Provider) -> None:
    batch = submit(project)
    file = File.objects.get()
    assert (batch.input_file, file.purpose, file.bytes) == (file, Purpose.BATCH, sum(map(len, LINES)))
    assert file.expires_at is not None
    with file.content.open("rb") as content:
        assert content.read() == b"".join(LINES)
    assert temporary_files() == []


def test_nothing_is_kept_of_lines_that_were_not_submitted(media_root: Path) -> None:
    with spooled(LINES) as content:
        assert content.size == sum(map(len, LINES))
        assert content.read() == b"".join(LINES)
        assert len(temporary_files()) == 1
    assert temporary_files() == kept(media_root) == []


def test_nothing_is_kept_when_a_line_is_refused(media_root: Path) -> None:
    def lines() -> Iterator[bytes]:
        yield LINES[0]
        raise InvalidRequest

    with pytest.raises(InvalidRequest), spooled(lines()):
        pytest.fail("there is nothing to go on with")
    assert temporary_files() == kept(media_root) == []


def test_nothing_is_kept_when_the_batch_is_refused(project: Project, media_root: Path) -> None:
    with pytest.raises(NoProvider):
        submit(project, endpoint="/v1/nothing")
    assert not File.objects.exists()
    assert not Batch.objects.exists()
    assert temporary_files() == kept(media_root) == []


def test_nothing_is_kept_when_the_reservation_was_given_up(project: Project, simulator: Provider, media_root: Path) -> None:
    key, _ = ApiKey.issue(project=project, name="k")
    with reserved(key, path="/p", digest="d", now=timezone.now()) as reservation:
        IdempotencyRecord.objects.all().delete()
        with pytest.raises(LostRace):
            submit(project, reservation=reservation)
    assert not File.objects.exists()
    assert not Batch.objects.exists()
    assert kept(media_root) == []


def test_how_many_requests_were_announced_is_known_at_once(project: Project, simulator: Provider) -> None:
    batch = submit(project, requests=2)
    assert batch.announced == 2
    assert batch.counts.total == 0, "the counts begin with validation"


def test_a_batch_without_lines_is_possible_and_fails_its_validation(project: Project, simulator: Provider) -> None:
    assert submit(project, []).input_file.bytes == 0  # type: ignore[union-attr]
