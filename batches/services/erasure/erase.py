"""erase: take a custom_id, or the batches of a metadata pair, out of everything that a project keeps; and give a receipt.

The order is such that a killed erasure can be done again from where it was: the batches that have the value are noted first,
then files are rewritten, then rows. Rows are what finds the value in the database, so they go last. Each step may be repeated.
"""

import logging
import secrets
import uuid
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F
from django.utils import timezone
from uuid_utils.compat import uuid7

from batches.models import Batch, Erasure, Project, Upload, UploadStatus
from batches.models.erasure import digest_of
from batches.rules.actors import ENGINE, Actor
from batches.rules.errors import Conflict, InvalidRequest, LostRace
from batches.services.core import wake
from batches.services.core.audit import record_act
from batches.services.core.lease import is_free, lease_end
from batches.services.erasure.files import delete_replaced, erase_in_files, remove_files
from batches.services.erasure.preview import affected, jobs_left, obstacles
from batches.services.erasure.progress import Progress
from batches.services.erasure.rows import erase_batch, erase_objects, objects_of
from batches.services.erasure.subject import Subject
from batches.services.erasure.texts import erase_mentions
from batches.services.people.encryption import decrypt, encrypt
from batches.services.retention.holds import UnderHold, checked_reason, require_not_held

logger = logging.getLogger(__name__)

PASSES = 3  # a retry may have copied the value while it was erased; the next pass finds the copy
AGAIN = timedelta(minutes=1)  # when a failed erasure is tried again


class NotErasable(Conflict):
    """This cannot be erased now."""

    code = "not_erasable"


@transaction.atomic
def ask(project: Project, subject: Subject, *, reason: str, actor: Actor, now: datetime) -> Erasure:
    """Begin an erasure. A worker carries it out; `run` does so at once. Neither the audit log nor the receipt has the value.

    Raises InvalidRequest without a reason or for one that mentions the value, and NotErasable, which says why.
    """
    reason = checked_reason(reason)
    if subject.value in reason:
        raise InvalidRequest("The reason is kept, so it may not name what is to be erased.", param="reason")
    if in_the_way := obstacles(project, affected(project, subject)):
        raise NotErasable(" ".join(in_the_way))
    salt = secrets.token_hex(16)
    erasure = Erasure.objects.create(
        project=project,
        kind=subject.kind,
        sealed=encrypt(subject.text).encode(),
        salt=salt,
        digest=digest_of(subject.text, salt=salt),
        reason=reason,
        asked_by=actor.name[:200],
        asked_at=now,
    )
    record_act("erase", actor=actor, now=now, target=erasure, project=project, reason=reason)
    wake.erase(erasure.pk)
    return erasure


def run(erasure_id: uuid.UUID, *, now: datetime) -> Erasure | None:
    """Carry out an erasure, or go on with one whose worker was killed.

    None if it has ended or another worker does it, or while a legal hold is there that was placed after it was asked for.
    """
    erasure = _leased(erasure_id, now=now)
    if erasure is None:
        return None
    mine = Erasure.objects.filter(pk=erasure.pk, lease_epoch=erasure.lease_epoch)
    try:
        _erase(erasure, now=now)
    except LostRace:
        return None
    except UnderHold:
        mine.update(lease_expires_at=timezone.now() + AGAIN)
        return None
    except Exception:
        mine.update(lease_expires_at=timezone.now() + AGAIN)
        raise
    return erasure


def go_on(*, now: datetime) -> None:
    """Go on with erasures that no worker carries out. The beat runs it."""
    for erasure_id in Erasure.objects.filter(is_free(now), ended_at=None).order_by("asked_at").values_list("pk", flat=True)[:5]:
        try:
            run(erasure_id, now=now)
        except Exception:
            logger.exception("erasure %s could not go on", erasure_id)  # the others still get their turn


def _leased(erasure_id: uuid.UUID, *, now: datetime) -> Erasure | None:
    free = Erasure.objects.filter(is_free(now), pk=erasure_id, ended_at=None)
    owner = uuid7()
    if not free.update(lease_owner=owner, lease_epoch=F("lease_epoch") + 1, lease_expires_at=lease_end(now)):
        return None
    return Erasure.objects.select_related("project").filter(pk=erasure_id, lease_owner=owner).first()


def _erase(erasure: Erasure, *, now: datetime) -> None:
    subject = Subject.of(erasure.kind, decrypt(bytes(erasure.sealed).decode()))
    progress, project = Progress(erasure), erasure.project
    require_not_held(project, batches=affected(project, subject).values_list("pk", flat=True))
    delete_replaced(progress)  # of a worker that was killed
    if subject.key:
        _erase_batches(subject, progress, now=now)
    else:
        _erase_requests(subject, progress, now=now)
    erase_mentions(erasure.project, subject, progress)
    _ask_providers(progress, now=now)
    _finish(erasure, now=now)


def _erase_requests(subject: Subject, progress: Progress, *, now: datetime) -> None:
    project = progress.erasure.project
    for number in range(PASSES):
        ended = affected(project, subject).filter(ended_at__isnull=False)
        among = progress.name_batches(ended.values_list("pk", flat=True))
        if number and not ended.exists():
            break
        if number:
            progress.begin_files()
        erase_in_files(subject, among, progress, now=now)
        erase_objects(project, subject, progress, among=among)
    for upload in Upload.objects.filter(project=project, status=UploadStatus.PENDING, parts__isnull=False).distinct():
        progress.leave(f"The parts of {upload} were not searched: it is not complete.")
    for batch in Batch.objects.filter(pk__in=objects_of(project, subject).values("batch")):
        progress.leave(f"{batch} has the value, and has not ended: erase again after its end.")


def _erase_batches(subject: Subject, progress: Progress, *, now: datetime) -> None:
    among = affected(progress.erasure.project, subject)
    progress.name_batches(among.filter(ended_at__isnull=False).values_list("pk", flat=True))
    ended = among.filter(ended_at__isnull=False).select_related("input_file", "output_file", "error_file").order_by("pk")
    while (batch := ended.first()) is not None:
        remove_files(batch, progress, among=among, now=now)
        erase_batch(batch, progress)
        with transaction.atomic():
            left = {key: value for key, value in (batch.metadata or {}).items() if key != subject.key}
            Batch.objects.filter(pk=batch.pk).update(metadata=left or None, archived_at=batch.archived_at or now)
            progress.count("metadata pairs", 1)
    for batch in among.filter(ended_at=None):
        progress.leave(f"{batch} has the pair, and has not ended: erase again after its end.")


def _ask_providers(progress: Progress, *, now: datetime) -> None:
    """Have the files of jobs at batch APIs deleted there, also where earlier tries were given up."""
    jobs = jobs_left([uuid.UUID(key) for key in progress.erasure.batches])
    for job in jobs:
        progress.leave(f"Job {job.marker} may have files at provider {job.provider.name}, which is asked to delete them.")
    if jobs.update(poll_at=now, tries=0):
        wake.delegate()


@transaction.atomic
def _finish(erasure: Erasure, *, now: datetime) -> None:
    """End an erasure. With its end, the portal does not know the value any more."""
    mine = Erasure.objects.filter(pk=erasure.pk, lease_epoch=erasure.lease_epoch, ended_at=None)
    if not mine.update(ended_at=timezone.now(), sealed=b"", lease_owner=None, lease_expires_at=None):
        raise LostRace
    record_act("complete_erasure", actor=ENGINE, now=now, target=erasure, project=erasure.project, reason=erasure.reason)
    erasure.refresh_from_db()
