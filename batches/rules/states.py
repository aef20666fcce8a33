"""The lifecycle of a batch and of its objects: words and pure rules.

    validating --> in_progress --> finalizing --> completed
      | |  |           |  |            |-------> expired      (its deadline passed)
      | |  |           |  |            '-------> failed       (the batch as a whole could not run)
      | |  '-----------+--'--> cancelling -----> cancelled    (its files are written while it is cancelling)
      | '--> expired                                          (its deadline passed before it was validated)
      '----> failed                                           (its input is not valid)

No edge leads out of a terminal status.
"""

from django.db import models


class BatchStatus(models.TextChoices):
    """The status of a batch in its lifecycle. No other statuses are stored."""

    VALIDATING = "validating"
    IN_PROGRESS = "in_progress", "In progress"
    FINALIZING = "finalizing"
    CANCELLING = "cancelling"
    COMPLETED = "completed"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"

    @property
    def sentence(self) -> str:
        """The meaning of this status, for people."""
        return _SENTENCES[self]


_SENTENCES = {
    BatchStatus.VALIDATING: "Its input is waiting to be checked, or being checked.",
    BatchStatus.IN_PROGRESS: "Its objects are being sent to the provider.",
    BatchStatus.FINALIZING: "Every object has an outcome; the result files are being written.",
    BatchStatus.CANCELLING: "It was cancelled; what is in flight may settle, then the result files are written.",
    BatchStatus.COMPLETED: "It ran to its end. Single objects may have failed.",
    BatchStatus.FAILED: "It could not run: its input was not valid, or the batch as a whole failed.",
    BatchStatus.EXPIRED: "Its deadline passed before every object had run.",
    BatchStatus.CANCELLED: "It was cancelled before every object had run.",
}

TERMINAL = frozenset({BatchStatus.COMPLETED, BatchStatus.FAILED, BatchStatus.EXPIRED, BatchStatus.CANCELLED})
OPEN = frozenset(BatchStatus) - TERMINAL
COUNTED = frozenset(BatchStatus) - {BatchStatus.VALIDATING}  # statuses in which the counts may be shown

MOVES: dict[BatchStatus, frozenset[BatchStatus]] = {
    BatchStatus.VALIDATING: frozenset({BatchStatus.IN_PROGRESS, BatchStatus.FAILED, BatchStatus.CANCELLING, BatchStatus.EXPIRED}),
    BatchStatus.IN_PROGRESS: frozenset({BatchStatus.FINALIZING, BatchStatus.CANCELLING}),
    BatchStatus.FINALIZING: frozenset({BatchStatus.COMPLETED, BatchStatus.EXPIRED, BatchStatus.FAILED}),
    BatchStatus.CANCELLING: frozenset({BatchStatus.CANCELLED}),
    BatchStatus.COMPLETED: frozenset(),
    BatchStatus.FAILED: frozenset(),
    BatchStatus.EXPIRED: frozenset(),
    BatchStatus.CANCELLED: frozenset(),
}

# The column that is stamped on reaching a status.
STAMPS: dict[BatchStatus, str] = {
    BatchStatus.VALIDATING: "created_at",
    BatchStatus.IN_PROGRESS: "in_progress_at",
    BatchStatus.FINALIZING: "finalizing_at",
    BatchStatus.CANCELLING: "cancelling_at",
    BatchStatus.COMPLETED: "completed_at",
    BatchStatus.FAILED: "failed_at",
    BatchStatus.EXPIRED: "expired_at",
    BatchStatus.CANCELLED: "cancelled_at",
}


class ObjectStatus(models.TextChoices):
    """The status of one request of a batch."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


SETTLED = frozenset(ObjectStatus) - {ObjectStatus.PENDING}

# Why an object that never ran has no response: code and sentence, as its line in the error file says it.
NEVER_RAN: dict[ObjectStatus, tuple[str, str]] = {
    ObjectStatus.CANCELLED: ("batch_cancelled", "The batch was cancelled before this request ran."),
    ObjectStatus.EXPIRED: ("batch_expired", "The batch's deadline passed before this request ran."),
}


class Act(models.TextChoices):
    """An act on a batch that does not move it along its lifecycle."""

    PAUSED = "paused"
    RESUMED = "resumed"
    RETRIED = "retried"
    REROUTED = "rerouted"
    REPRIORITISED = "reprioritised"
    GUARDED = "guarded", "stopped by a guard"
    REGUARDED = "reguarded", "guards changed"
    REPAIRED = "repaired"
    HANDED_OVER = "handed_over", "handed over to the provider's batch API"
    TAKEN_BACK = "taken_back", "taken back from the provider's batch API"
    FINISHED_DIRECTLY = "sent_directly", "finished directly"


# What the engine does with each batch that is handed over. The timeline of the batch tells of it, and no audit log.
OF_DELEGATION = frozenset({Act.HANDED_OVER, Act.TAKEN_BACK, Act.FINISHED_DIRECTLY})


class Source(models.TextChoices):
    """The way by which an act reached the portal."""

    API = "api", "API"
    CONSOLE = "console"
    ADMIN = "admin"
    COMMAND = "command"
    ENGINE = "engine"
    RECONCILE = "reconcile"
