"""The acts on many batches: for each act its words, the obstacles that exclude batches, and the function for one batch."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict

from django.db.models import Exists, F, OuterRef, Q, TextChoices

from batches.models import Batch, BatchErrorGroup, BulkAct, File, Slice
from batches.rules import fingerprints
from batches.rules.actors import Actor
from batches.rules.errors import InvalidRequest, LostRace
from batches.rules.states import TERMINAL, BatchStatus
from batches.services.control.cancel import CANCELLABLE, CANCELLING, cancel
from batches.services.control.pause import PAUSING, RESUMING, pause, resume
from batches.services.control.prioritise import HIGHEST, LOWEST, PRIORITISING, prioritise
from batches.services.control.reroute import MOVING, moved, reroute
from batches.services.core.amend import RUNNABLE
from batches.services.policy.serving import foreign_to, unlisted_by, unserved_by
from batches.services.retry.child import ChildInput, child_input
from batches.services.retry.order import RetryOrder
from batches.services.retry.retry import RETRYABLE, RetryMode, mode_of, retry
from batches.services.retry.selection import Selection, require_known
from providers.models import Provider


class Parameters(TypedDict, total=False):
    """The parameters of an act besides its batches, as an operation stores them."""

    priority: int  # the new priority of the batches
    error: str  # the fingerprint of the only error group to retry
    provider: str  # the name of the provider to move the batches to


class Obstacle(TextChoices):
    """Why an act leaves a batch alone. The label is said of many, behind their number, and of one."""

    NOT_PERMITTED = "not_permitted", "not permitted: only operators of the project may"
    ENDED = "ended", "already ended"
    CANCELLING = "cancelling", "already being cancelled"
    FINALIZING = "finalizing", "writing their result files"
    VALIDATING = "validating", "not validated yet"
    PAUSED = "paused", "already paused"
    NOT_PAUSED = "not_paused", "not paused"
    NOTHING_FAILED = "nothing_failed", "without failures"
    NOT_IN_GROUP = "not_in_group", "without a failure of this group"
    INPUT_GONE = "input_gone", "without the input file, which is no longer kept"
    SAME_PRIORITY = "same_priority", "already at this priority"
    SAME_PROVIDER = "same_provider", "already at this provider"
    NOT_GRANTED = "not_granted", "in a project that may not use this provider"
    NOT_SERVED = "not_served", "for an endpoint that this provider does not serve"
    NOT_LISTED = "not_listed", "for a model that this provider does not list"


@dataclass(frozen=True, slots=True)
class Doing:
    """An act that is about to be done to one batch. `requests` is the input that `prepare` wrote for it."""

    parameters: Parameters
    actor: Actor
    now: datetime
    reason: str
    requests: ChildInput | None = None


Do = Callable[[Batch, Doing], str]
Prepare = Callable[[Batch, Parameters, datetime], AbstractContextManager[ChildInput | None]]


@dataclass(frozen=True, slots=True)
class Verb:
    """An act: its words, its effects, the statuses in which it can be done, further obstacles, and its function `do`.

    `prepare` writes the files that the act needs, before the act's transaction. `do` acts on one batch and returns a note
    about it.
    """

    word: str  # Cancel
    done: str  # cancelled
    consequences: tuple[str, ...]
    statuses: frozenset[BatchStatus]
    obstacles: Callable[[Parameters, datetime], dict[Obstacle, Q]]
    do: Do
    destroys: bool = False
    prepare: Prepare = lambda _batch, _parameters, _now: nullcontext()


def _cancel(batch: Batch, doing: Doing) -> str:
    cancel(batch, actor=doing.actor, now=doing.now, note=doing.reason)
    return ""


def _pause(batch: Batch, doing: Doing) -> str:
    pause(batch, actor=doing.actor, now=doing.now, reason=doing.reason)
    return ""


def _resume(batch: Batch, doing: Doing) -> str:
    resume(batch, actor=doing.actor, now=doing.now, reason=doing.reason)
    return ""


def _prepare_retry(batch: Batch, parameters: Parameters, now: datetime) -> AbstractContextManager[ChildInput | None]:
    if mode_of(batch) is RetryMode.IN_PLACE:
        return nullcontext()
    selection = _selection(parameters)
    require_known(batch, selection)
    return child_input(batch, selection=selection, now=now)


def _selection(parameters: Parameters) -> Selection:
    error = parameters.get("error")
    return Selection(fingerprints=frozenset((error,) if error else ()))


def _retry(batch: Batch, doing: Doing) -> str:
    if doing.requests is None and batch.is_terminal:
        raise LostRace("The batch ended just now; try again.")
    # One transaction retries all slices. They are locked before the batch, as in settle, so that no deadlock arises.
    list(Slice.objects.select_for_update().filter(batch=batch, failed__gt=0).order_by("pk").values_list("pk"))
    done = retry(
        batch,
        selection=_selection(doing.parameters),
        actor=doing.actor,
        now=doing.now,
        order=RetryOrder(reason=doing.reason),
        requests=doing.requests,
    )
    return f"{done.objects} in {'place' if done.mode is RetryMode.IN_PLACE else done.batch}."


def _reprioritise(batch: Batch, doing: Doing) -> str:
    before = batch.priority
    prioritise(batch, priority=doing.parameters["priority"], actor=doing.actor, now=doing.now, reason=doing.reason)
    return f"From {before} to {batch.priority}."


def _not_retried(parameters: Parameters, now: datetime) -> dict[Obstacle, Q]:
    failing = Exists(Slice.objects.filter(batch=OuterRef("pk"), failed__gt=0))
    # Skipped lines are no failures, and what a retry has recovered is none any more.
    ended_well = Q(
        status__in=TERMINAL,
        failed__lte=F("error_count") + F("recovered_failed"),
        cancelled=F("recovered_cancelled"),
        expired=F("recovered_expired"),
    )
    kept = Exists(File.objects.readable(now=now).filter(pk=OuterRef("input_file")))
    found = {
        Obstacle.NOTHING_FAILED: ended_well | Q(status=BatchStatus.IN_PROGRESS) & ~Q(failing),
        Obstacle.INPUT_GONE: Q(status__in=TERMINAL) & ~Q(kept),
    }
    if fingerprint := parameters.get("error"):
        group = BatchErrorGroup.objects.filter(batch=OuterRef("pk"), group__fingerprint=fingerprint, count__gt=F("recovered"))
        found[Obstacle.NOT_IN_GROUP] = ~Q(Exists(group))
    return found


def _reroute(batch: Batch, doing: Doing) -> str:
    before = batch.provider.name
    reroute(batch, provider_name=doing.parameters["provider"], actor=doing.actor, now=doing.now, reason=doing.reason)
    return f"From {before}. {moved(batch)}"


def _not_rerouted(parameters: Parameters, _now: datetime) -> dict[Obstacle, Q]:
    """The obstacles at the provider to move to; none before it is chosen. An unknown one is told as one that is not granted."""
    if "provider" not in parameters:
        return {}
    target = Provider.objects.enabled().filter(name=parameters["provider"]).first()
    if target is None:
        return {Obstacle.NOT_GRANTED: Q(pk__isnull=False)}
    return {
        Obstacle.SAME_PROVIDER: Q(provider=target),
        Obstacle.NOT_GRANTED: foreign_to(target),
        Obstacle.NOT_SERVED: unserved_by(target),
        Obstacle.NOT_LISTED: unlisted_by(target),
    }


VERBS: dict[BulkAct, Verb] = {
    BulkAct.CANCEL: Verb(
        "Cancel",
        "cancelled",
        CANCELLING,
        CANCELLABLE,
        lambda _parameters, _now: {},
        _cancel,
        destroys=True,
    ),
    BulkAct.PAUSE: Verb(
        "Pause",
        "paused",
        PAUSING,
        RUNNABLE,
        lambda _parameters, _now: {Obstacle.PAUSED: Q(paused_at__isnull=False)},
        _pause,
    ),
    BulkAct.RESUME: Verb(
        "Resume",
        "resumed",
        RESUMING,
        RUNNABLE,
        lambda _parameters, _now: {Obstacle.NOT_PAUSED: Q(paused_at=None)},
        _resume,
    ),
    BulkAct.RETRY: Verb(
        "Retry the failures of",
        "retried",
        (
            "Failed requests are sent again: in the batch while it runs, in a child batch after its end.",
            "Requests that succeeded, or that another retry has taken up, are skipped, so that none is billed twice.",
        ),
        RETRYABLE,
        _not_retried,
        _retry,
        prepare=_prepare_retry,
    ),
    BulkAct.REPRIORITISE: Verb(
        "Reprioritise",
        "reprioritised",
        PRIORITISING,
        RUNNABLE,
        lambda parameters, _now: {Obstacle.SAME_PRIORITY: Q(priority=parameters.get("priority"))},
        _reprioritise,
    ),
    BulkAct.REROUTE: Verb(
        "Move",
        "moved",
        MOVING,
        RUNNABLE,
        _not_rerouted,
        _reroute,
    ),
}


def read_act(name: str) -> BulkAct:
    """The act of this name. Raises InvalidRequest."""
    if name not in BulkAct.values:
        raise InvalidRequest(f"Choose an act: {', '.join(BulkAct.values)}.", param="act")
    return BulkAct(name)


def checked_parameters(act: BulkAct, *, priority: int | None = None, error: str = "", provider: str = "") -> Parameters:
    """The parameters of an act: the new priority, the provider to move to, or the error group to retry if only one is retried.

    Raises InvalidRequest.
    """
    if act is BulkAct.REROUTE:
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", provider):
            raise InvalidRequest("Choose the provider to move the batches to.", param="provider")
        return {"provider": provider}
    if act is BulkAct.RETRY and error:
        if not re.fullmatch(fingerprints.PATTERN, error):
            raise InvalidRequest("The address names no error group.", param="error")
        return {"error": error}
    if act is not BulkAct.REPRIORITISE:
        return {}
    if priority is None or not LOWEST <= priority <= HIGHEST:
        raise InvalidRequest(f"A priority is from {LOWEST} to {HIGHEST}.", param="priority")
    return {"priority": priority}
