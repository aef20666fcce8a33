"""once: a create call that is repeated makes no second batch."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from hashlib import sha256

import msgspec
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from batches.models import ApiKey, Batch, File, IdempotencyRecord, Purpose
from batches.rules.errors import InProgress, InvalidRequest, LostRace
from batches.services.intake.extras import NO_EXTRAS, Extras, stored_extras

KEYS_ARE_KEPT = timedelta(hours=24)
RETRIES_ARE_SEEN = timedelta(minutes=10)
ABANDONED_AFTER = timedelta(minutes=5)  # a call that was never finished, its process killed
WAIT_SECONDS = 5.0
LOOK_SECONDS = 0.1
TOKEN_CHARS = 255  # a longer token is known by its digest: its beginning alone might be another call's


class KeyReused(InvalidRequest):
    """This Idempotency-Key was used with another request: another body, provider or header that changes the answers."""

    code = "idempotency_key_reused"


def digest_of(*, body: str, provider: str | None = None, extras: Extras = NO_EXTRAS) -> str:
    """What tells one create call from another of the same path: the digest of its document, and what it says beside it.

    The `provider` is the one that the client names, by whatever means. The order of beta features means nothing.
    """
    beside = {**(stored_extras(extras) or {}), "betas": sorted(extras.betas)}
    return sha256(msgspec.json.encode([body, provider, beside], order="sorted")).hexdigest()


@contextmanager
def reserved(
    key: ApiKey, *, path: str, digest: str, token: str = "", is_retry: bool = False, now: datetime
) -> Iterator[IdempotencyRecord]:
    """A reservation to be fulfilled by `submit`; when its `batch` is set already, the call is a repetition of that.

    With a `token` (the Idempotency-Key header) the same token and digest mean the same batch for 24 h, and another digest
    raises KeyReused. Without, a call that its client calls a retry means the last one with the same digest within 10
    minutes, until the client uses the id of its batch (see `note_use`). Waits a little for a first call that is still
    being worked on, then raises InProgress. When the block fails, the reservation goes.
    """
    token = token if len(token) <= TOKEN_CHARS else sha256(token.encode(errors="surrogatepass")).hexdigest()
    record = _of_token(key, path, digest, token, now=now) if token else _of_retry(key, path, digest, now=now, is_retry=is_retry)
    if record.batch_id is not None:
        yield record
        return
    try:
        yield record
    except BaseException:
        IdempotencyRecord.objects.filter(pk=record.pk, batch=None).delete()
        raise


def _of_token(key: ApiKey, path: str, digest: str, token: str, *, now: datetime) -> IdempotencyRecord:
    IdempotencyRecord.objects.filter(api_key=key, path=path, token=token, created_at__lte=now - KEYS_ARE_KEPT).delete()
    try:
        with transaction.atomic():
            return IdempotencyRecord.objects.create(api_key=key, path=path, token=token, digest=digest, created_at=now)
    except IntegrityError:
        first = IdempotencyRecord.objects.filter(api_key=key, path=path, token=token).first()
    if first is None:  # it failed just now: this call is the first
        return _of_token(key, path, digest, token, now=now)
    if first.digest != digest:
        raise KeyReused(param="Idempotency-Key")
    return _finished(first) or _of_token(key, path, digest, token, now=now)


def _of_retry(key: ApiKey, path: str, digest: str, *, now: datetime, is_retry: bool) -> IdempotencyRecord:
    calls = IdempotencyRecord.objects.filter(api_key=key, path=path, token="", digest=digest)
    while True:
        with transaction.atomic():
            if is_retry:  # of several at once, of a call that never arrived, one is the first
                ApiKey.objects.select_for_update(no_key=True).get(pk=key.pk)
            first = _lost_call(calls.filter(created_at__gt=now - RETRIES_ARE_SEEN)) if is_retry else None
            if first is None:
                return IdempotencyRecord.objects.create(api_key=key, path=path, digest=digest, created_at=now)
        if finished := _finished(first):
            return finished


def _lost_call(calls: QuerySet[IdempotencyRecord]) -> IdempotencyRecord | None:
    """The latest of these calls, unless its answer has arrived: then whatever repeats it is another call."""
    latest = calls.select_related("batch").order_by("-created_at").first()
    used_at = latest.batch.id_used_at if latest and latest.batch else None
    return None if latest is None or (used_at and used_at > latest.created_at) else latest


def note_use(batches: Iterable[Batch], *, key: ApiKey, now: datetime) -> None:
    """A client uses, or is shown in a list, the ids of batches: the answers to its create calls were not lost.

    Only the key that made a batch counts, for another client may have found it in a list. Written once for a batch, and
    only as long as a repeated call could mean it.
    """
    fresh = [
        batch.pk
        for batch in batches
        if batch.id_used_at is None and batch.created_by_key_id == key.pk and batch.created_at > now - RETRIES_ARE_SEEN
    ]
    if fresh:
        Batch.objects.filter(pk__in=fresh, id_used_at=None).update(id_used_at=now)


def note_read(file: File, *, key: ApiKey, now: datetime) -> None:
    """A client reads a file: if a batch wrote it, the client knows that batch."""
    if file.purpose == Purpose.BATCH_OUTPUT and file.created_at > now - RETRIES_ARE_SEEN:
        note_use(Batch.objects.filter(Q(output_file=file) | Q(error_file=file)), key=key, now=now)


def _finished(first: IdempotencyRecord) -> IdempotencyRecord | None:
    """The record once it has a batch; None when the first call failed, or was abandoned."""
    ends = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            first.refresh_from_db()
        except IdempotencyRecord.DoesNotExist:
            return None
        if first.batch_id is not None:
            return first
        if first.created_at <= timezone.now() - ABANDONED_AFTER:
            # Unless it has a batch after all, made just now: then the next look finds that.
            if IdempotencyRecord.objects.filter(pk=first.pk, batch=None).delete()[0]:
                return None
            continue
        if time.monotonic() > ends:
            raise InProgress
        time.sleep(LOOK_SECONDS)


def complete_reservation(reservation: IdempotencyRecord | None, batch: Batch) -> None:
    """Say what came of a reserved call, in the transaction that made it so. Raises LostRace when the reservation is gone."""
    if reservation is not None and not IdempotencyRecord.objects.filter(pk=reservation.pk).update(batch=batch):
        raise LostRace("This call took so long that it was given up.")


def forget_calls(*, now: datetime) -> None:
    """Remove the records that mean nothing any more."""
    IdempotencyRecord.objects.filter(created_at__lte=now - KEYS_ARE_KEPT).delete()
