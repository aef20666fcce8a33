"""idempotency: a create call that is repeated makes no second batch."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TypeVar

import msgspec
from django.db import IntegrityError, transaction
from django.db.models import Model, Q, QuerySet
from django.utils import timezone

from batches.models import ApiKey, Batch, File, IdempotencyRecord, Purpose
from batches.rules.errors import InProgress, InvalidRequest, LostRace
from batches.services.intake.extras import NO_EXTRAS, Extras, stored_extras

M = TypeVar("M", bound=Model)

KEYS_ARE_KEPT = timedelta(hours=24)
RETRIES_ARE_SEEN = timedelta(minutes=10)
ABANDONED_AFTER = timedelta(minutes=5)  # a call that has not ended after this time was killed with its process
WAIT_SECONDS = 5.0
LOOK_SECONDS = 0.1
TOKEN_CHARS = 255  # a longer token is stored as its digest; if it were cut, two tokens could become the same
GIVEN_UP = "This call took so long that it was given up."


class KeyReused(InvalidRequest):
    """This Idempotency-Key was used with another request: another body, provider or header that changes the answers."""

    code = "idempotency_key_reused"


def digest_of(*, body: str, provider: str | None = None, extras: Extras = NO_EXTRAS) -> str:
    """The digest of a create call: of its document, the provider that the client names, and its extras.

    Two calls of one path with the same digest are the same call. The order of beta features does not matter.
    """
    beside = {**(stored_extras(extras) or {}), "betas": sorted(extras.betas)}
    return sha256(msgspec.json.encode([body, provider, beside], order="sorted")).hexdigest()


@contextmanager
def reserved(
    key: ApiKey, *, path: str, digest: str, token: str = "", is_retry: bool = False, now: datetime
) -> Iterator[IdempotencyRecord]:
    """A reservation for a create call, which `submit` gives its batch. If it has a `batch` already, the call is a repetition.

    With a `token` (the Idempotency-Key header), the same token and digest mean the same batch for 24 hours. The same token with
    another digest raises KeyReused. Without a token, a call that its client marks as a retry repeats the last call with the
    same digest within 10 minutes, unless the client has used the id of that call's batch (see `note_use`).

    A call that makes something else than a batch makes it by `made_once`.

    A repetition waits a few seconds for a first call that is not finished, then InProgress is raised. If the block fails, the
    reservation is deleted.
    """
    token = token if len(token) <= TOKEN_CHARS else sha256(token.encode(errors="surrogatepass")).hexdigest()
    record = _of_token(key, path, digest, token, now=now) if token else _of_retry(key, path, digest, now=now, is_retry=is_retry)
    if record.is_finished:
        yield record
        return
    try:
        yield record
    except BaseException:
        IdempotencyRecord.objects.filter(pk=record.pk, batch=None, made_id=None).delete()
        raise


def _of_token(key: ApiKey, path: str, digest: str, token: str, *, now: datetime) -> IdempotencyRecord:
    IdempotencyRecord.objects.filter(api_key=key, path=path, token=token, created_at__lte=now - KEYS_ARE_KEPT).delete()
    try:
        with transaction.atomic():
            return IdempotencyRecord.objects.create(api_key=key, path=path, token=token, digest=digest, created_at=now)
    except IntegrityError:
        first = IdempotencyRecord.objects.filter(api_key=key, path=path, token=token).first()
    if first is None:  # the first call failed just now, so this call becomes the first
        return _of_token(key, path, digest, token, now=now)
    if first.digest != digest:
        raise KeyReused(param="Idempotency-Key")
    return _finished(first) or _of_token(key, path, digest, token, now=now)


def _of_retry(key: ApiKey, path: str, digest: str, *, now: datetime, is_retry: bool) -> IdempotencyRecord:
    calls = IdempotencyRecord.objects.filter(api_key=key, path=path, token="", digest=digest)
    while True:
        with transaction.atomic():
            if is_retry:  # several retries at once of a call that never arrived: the lock makes one of them the first
                ApiKey.objects.select_for_update(no_key=True).get(pk=key.pk)
            first = _lost_call(calls.filter(created_at__gt=now - RETRIES_ARE_SEEN)) if is_retry else None
            if first is None:
                return IdempotencyRecord.objects.create(api_key=key, path=path, digest=digest, created_at=now)
        if finished := _finished(first):
            return finished


def _lost_call(calls: QuerySet[IdempotencyRecord]) -> IdempotencyRecord | None:
    """The latest of these calls, if its answer was lost. None if the answer has arrived: then the next call is a new one."""
    latest = calls.select_related("batch").order_by("-created_at").first()
    used_at = latest.batch.id_used_at if latest and latest.batch else None
    return None if latest is None or (used_at and used_at > latest.created_at) else latest


def note_use(batches: Iterable[Batch], *, key: ApiKey, now: datetime) -> None:
    """Note that a client knows the ids of batches, since it used them or a list showed them: their answers were not lost.

    Only the key that made a batch counts, because another client may have found the batch in a list. The note is written once
    for a batch, and only while a repeated call could mean the batch.
    """
    fresh = [
        batch.pk
        for batch in batches
        if batch.id_used_at is None and batch.created_by_key_id == key.pk and batch.created_at > now - RETRIES_ARE_SEEN
    ]
    if fresh:
        Batch.objects.filter(pk__in=fresh, id_used_at=None).update(id_used_at=now)


def note_read(file: File, *, key: ApiKey, now: datetime) -> None:
    """Note that a client reads a file. If a batch wrote the file, the client knows the id of the batch."""
    if file.purpose == Purpose.BATCH_OUTPUT and file.created_at > now - RETRIES_ARE_SEEN:
        note_use(Batch.objects.filter(Q(output_file=file) | Q(error_file=file)), key=key, now=now)


def _finished(first: IdempotencyRecord) -> IdempotencyRecord | None:
    """Wait until the record has what its call makes. None if the first call failed or was abandoned."""
    ends = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            first.refresh_from_db()
        except IdempotencyRecord.DoesNotExist:
            return None
        if first.is_finished:
            return first
        if first.created_at <= timezone.now() - ABANDONED_AFTER:
            # If the call made it just now after all, the next look finds it.
            if IdempotencyRecord.objects.filter(pk=first.pk, batch=None, made_id=None).delete()[0]:
                return None
            continue
        if time.monotonic() > ends:
            raise InProgress
        time.sleep(LOOK_SECONDS)


def complete_reservation(reservation: IdempotencyRecord | None, batch: Batch) -> None:
    """Give a reservation its batch, in the transaction that made the batch. Raises LostRace when the reservation is gone."""
    if reservation is not None and not IdempotencyRecord.objects.filter(pk=reservation.pk).update(batch=batch):
        raise LostRace(GIVEN_UP)


@transaction.atomic
def made_once(reservation: IdempotencyRecord | None, known: "QuerySet[M]", make: Callable[[], M]) -> M:
    """What the first call made, one of `known`; the first call makes it, and gives its id to the reservation. Raises LostRace.

    It is something else than a batch.
    """
    if reservation is not None and reservation.made_id is not None:
        return known.get(pk=reservation.made_id)
    made = make()
    if reservation is not None and not IdempotencyRecord.objects.filter(pk=reservation.pk).update(made_id=made.pk):
        raise LostRace(GIVEN_UP)
    return made


def forget_calls(*, now: datetime) -> None:
    """Remove the records that are too old to matter."""
    IdempotencyRecord.objects.filter(created_at__lte=now - KEYS_ARE_KEPT).delete()
