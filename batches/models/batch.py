"""Batch: one submission of a client, with one input, one lifecycle and one set of counts."""

from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar, cast
from uuid import UUID

from django.db import models
from django.db.models import F, Q, Sum
from uuid_utils.compat import uuid7

from batches.models.api_key import ApiKey
from batches.models.counts import COUNT_FIELDS, Counted, Counts
from batches.models.executed import Executed
from batches.models.file import File
from batches.models.kept import KEPT_INDEXES, Kept
from batches.models.lease import Leased
from batches.models.project import Project
from batches.models.recovered import RECOVERY_INDEXES, Recovered
from batches.rules import identifiers
from batches.rules.actors import REASON_CHARS
from batches.rules.states import COUNTED, NEVER_RAN, OPEN, TERMINAL, BatchStatus, ObjectStatus
from providers.failures import Kind
from providers.guards import Guarded
from providers.models import Provider

REMARK_CHARS = 500


class Dialect(models.TextChoices):
    """The wire contract through which a batch came in."""

    OPENAI = "openai", "OpenAI"
    BIFROST = "bifrost"
    ANTHROPIC = "anthropic"
    NOVITA = "novita"
    MERGE = "merge"
    NATIVE = "native"


# The dialects whose clients may write the input file themselves; and the dialects whose contract requires one model in it.
FROM_FILES = frozenset({Dialect.OPENAI, Dialect.NOVITA, Dialect.BIFROST, Dialect.NATIVE})
OF_ONE_MODEL = FROM_FILES - {Dialect.NATIVE}


class OnInvalid(models.TextChoices):
    """The treatment of a batch whose input has invalid lines."""

    FAIL = "fail"
    SKIP = "skip"


class ThrottledBy(models.TextChoices):
    """The kind of limit that holds a throttled batch back."""

    LIMIT = "limit", "a limit of its provider"
    UPSTREAM = "upstream", "the upstream"
    BREAKER = "breaker", "the circuit breaker"
    OTHERS = "others", "other projects"


class BatchQuerySet(models.QuerySet["Batch"]):
    def open(self) -> "BatchQuerySet":
        return self.filter(status__in=OPEN)

    def visible(self, *, project: Project) -> "BatchQuerySet":
        """The batches that the project's clients can see."""
        return self.filter(project=project, deleted_at=None)


class Batch(Counted, Recovered, Executed, Guarded, Kept, Leased):
    """A batch. `status` is written by `services.core.transition` alone; the lease is for the control work on it.

    The counts here are frozen when the batch ends; until then they are the sum over its slices (`counts`), and `total`
    and `pending` are what the create call announced.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="batches")
    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="batches")
    dialect = models.CharField(max_length=10, choices=Dialect.choices)
    endpoint = models.CharField(max_length=100)
    model = models.CharField(max_length=200, blank=True, help_text="Of all its requests; empty when they ask for several.")
    default_model = models.CharField(
        max_length=200,
        blank=True,
        default="",
        db_default="",
        help_text="What requests that name no model ask for; the others may name no other.",
    )
    on_invalid = models.CharField(
        max_length=4,
        choices=OnInvalid.choices,
        default=OnInvalid.FAIL,
        db_default=OnInvalid.FAIL,
        help_text="Whether invalid lines of its input fail it, or are skipped.",
    )

    status = models.CharField(max_length=12, choices=BatchStatus.choices, default=BatchStatus.VALIDATING)
    version = models.PositiveIntegerField(default=1)
    priority = models.SmallIntegerField(default=0, help_text="Among the batches of its project.")
    precedence = models.SmallIntegerField(
        default=0, db_default=0, help_text="Among the batches of all projects; set by administrators of the portal alone."
    )
    at_risk_since = models.DateTimeField(null=True, blank=True, help_text="Since when its pace does not meet its deadline.")
    throttled_until = models.DateTimeField(null=True, blank=True)
    throttled_reason = models.CharField(max_length=200, blank=True, help_text="Kinds and numbers; it quotes no call.")
    throttled_by = models.CharField(max_length=8, choices=ThrottledBy.choices, blank=True, default="", db_default="")
    blocked_until = models.DateTimeField(null=True, blank=True, help_text="Until then no worker that saw it could run it.")
    blocked_reason = models.CharField(max_length=300, blank=True, default="", db_default="")
    paused_at = models.DateTimeField(null=True, blank=True)
    paused_by = models.CharField(max_length=200, blank=True)
    paused_reason = models.CharField(max_length=REASON_CHARS, blank=True)
    acknowledged_settled = models.PositiveIntegerField(default=0, help_text="Objects that settled before it was last resumed.")
    acknowledged_failed = models.PositiveIntegerField(default=0, help_text="How many of those failed.")
    parent = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="children", help_text="Whose failures it retries."
    )

    input_file = models.ForeignKey(File, null=True, on_delete=models.PROTECT, related_name="input_of")
    output_file = models.ForeignKey(File, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    error_file = models.ForeignKey(File, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    output_lifetime_seconds = models.PositiveIntegerField(null=True, blank=True)

    completion_window = models.CharField(max_length=20)
    metadata = models.JSONField(null=True, blank=True)
    remark = models.CharField(max_length=REMARK_CHARS, blank=True)
    operation_name = models.CharField(max_length=200, blank=True)
    callback_url = models.CharField(max_length=2000, blank=True, default="", db_default="", help_text="Told of its end.")
    extras = models.JSONField(null=True, blank=True, help_text="What it asks of its upstream beside the bodies.")
    created_by = models.CharField(max_length=200, blank=True)
    created_by_key = models.ForeignKey(ApiKey, null=True, blank=True, on_delete=models.SET_NULL, related_name="batches")

    created_at = models.DateTimeField()
    id_used_at = models.DateTimeField(
        null=True, blank=True, help_text="When a client first used its id, while a repeated create call could still mean it."
    )
    updated_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    in_progress_at = models.DateTimeField(null=True, blank=True)
    begun_at = models.DateTimeField(null=True, blank=True, help_text="When an executor first took up some of its objects.")
    finalizing_at = models.DateTimeField(null=True, blank=True)
    cancelling_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)
    failed_at = models.DateTimeField(null=True, blank=True)
    expired_at = models.DateTimeField(null=True, blank=True)
    cancelled_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    held_at_deadline = models.CharField(
        max_length=32, blank=True, default="", db_default="", help_text="The kind of failure that held its provider then."
    )
    deleted_at = models.DateTimeField(null=True, blank=True)

    error_count = models.PositiveIntegerField(default=0, help_text="Validation errors, also those that are not stored.")
    put_off_reason = models.CharField(
        max_length=200,
        blank=True,
        default="",
        db_default="",
        help_text="Why the worker that was to validate it could not read its input.",
    )

    objects = BatchQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-created_at", "-id"]
        verbose_name_plural = "batches"
        permissions: ClassVar = [("cancel_batch", "Can cancel a batch")]
        indexes: ClassVar = [
            models.Index(fields=["-created_at", "-id"], name="batch_list"),
            models.Index(fields=["project", "-created_at", "-id"], name="batch_project_list"),
            models.Index(fields=["status", "-created_at", "-id"], name="batch_status_list"),
            models.Index(fields=["project", "status", "-created_at", "-id"], name="batch_project_status_list"),
            models.Index(fields=["-ended_at", "-id"], name="batch_ended_list"),
            models.Index(fields=["expires_at", "id"], name="batch_deadline_list"),
            models.Index(fields=["-priority", "-id"], name="batch_priority_list"),
            models.Index(
                fields=["-created_at", "-id"],
                condition=Q(status__in=[BatchStatus.FAILED, BatchStatus.EXPIRED]) | Q(status=BatchStatus.COMPLETED, failed__gt=0),
                name="batch_ended_badly",
            ),
            models.Index(fields=["expires_at"], condition=Q(ended_at=None), name="batch_deadline"),
            models.Index(fields=["input_file"], name="batch_input_file"),
            *KEPT_INDEXES,
            *RECOVERY_INDEXES,
        ]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(status__in=BatchStatus.values), name="batch_status_known"),
            models.CheckConstraint(
                condition=Q(status__in=TERMINAL, ended_at__isnull=False) | Q(status__in=OPEN, ended_at=None),
                name="batch_ended_iff_terminal",
            ),
            models.CheckConstraint(
                condition=Q(total=F("pending") + F("succeeded") + F("failed") + F("cancelled") + F("expired")),
                name="batch_counts_add_up",
            ),
            models.CheckConstraint(condition=Q(ended_at=None) | Q(pending=0), name="batch_ended_without_pending"),
            *(
                models.CheckConstraint(
                    condition=~Q(status=status) | Q(**{f"{status}_at__isnull": False}), name=f"batch_{status}_is_stamped"
                )
                for status in BatchStatus.values
                if status != BatchStatus.VALIDATING
            ),
        ]

    # `load_counts` fills this for many batches at once; see `counts`.
    _counts: Counts | None = None

    def __str__(self) -> str:
        return identifiers.render("batch_", self.id)

    @property
    def is_terminal(self) -> bool:
        return self.status in TERMINAL

    @property
    def counts(self) -> Counts:
        """The counts as they may be shown: zero while validating, live while open, frozen once ended."""
        if self._counts is None:
            load_counts([self])
        assert self._counts is not None
        return self._counts

    @property
    def net_counts(self) -> Counts:
        """`counts` after the retries that have ended."""
        return self.net_of(self.counts)

    @property
    def announced(self) -> int:
        """How many checked inline requests the create call had. 0 once the batch has ended, or if it was made otherwise."""
        return self.pending

    @property
    def skipped_lines(self) -> int:
        """How many failed objects are invalid lines of the input. They were never sent, and sending them cannot help."""
        return self.error_count if self.on_invalid == OnInvalid.SKIP and self.in_progress_at is not None else 0

    def forget_counts(self) -> None:
        """Forget the known counts, so that `counts` reads them again."""
        self._counts = None

    def count_again(self) -> None:
        """Set `counts` to the sums over the slices, whatever the status."""
        self._counts = slice_sums([self.pk]).get(self.pk, Counts())

    @property
    def is_paused(self) -> bool:
        """Whether a person or a guard has paused the batch. This is a condition of a running batch."""
        return self.status == BatchStatus.IN_PROGRESS and self.paused_at is not None

    def why_never_ran(self, status: str) -> tuple[str, str] | None:
        """Code and sentence for an object with this status that has no result. None for a status that has or may get one."""
        found = NEVER_RAN.get(ObjectStatus(status))
        if found is None or status != ObjectStatus.EXPIRED or not self.held_at_deadline:
            return found
        code, sentence = found
        return code, f"{sentence} Its provider was held: {Kind(self.held_at_deadline).sentence}"

    def is_throttled(self, *, now: datetime) -> bool:
        """Whether the upstream's limits hold its waiting objects back."""
        return self.status == BatchStatus.IN_PROGRESS and self.throttled_until is not None and self.throttled_until > now

    def is_blocked(self, *, now: datetime) -> bool:
        """Whether a worker has recently found that it cannot carry out this batch, and no other worker carries it out."""
        return self.blocked_until is not None and self.blocked_until > now


def load_counts(batches: Iterable[Batch]) -> None:
    """Give each batch its counts, with at most one query for all of them."""
    live: dict[UUID, list[Batch]] = {}
    for batch in batches:
        if batch.status not in COUNTED:
            batch._counts = Counts()
        elif batch.is_terminal:
            batch._counts = Counts(**{name: getattr(batch, name) for name in COUNT_FIELDS})
        else:
            live.setdefault(batch.pk, []).append(batch)  # the same batch may be there more than once
            batch._counts = Counts()
    for pk, counts in slice_sums(live).items():
        for batch in live[pk]:
            batch._counts = counts


def slice_sums(batches: Iterable[UUID]) -> dict[UUID, Counts]:
    """The sums over the slices of each batch. One query for all batches, and no query without batches."""
    keys = list(batches)
    if not keys:
        return {}
    sums = {f"sum_{name}": Sum(f"slices__{name}", default=0) for name in COUNT_FIELDS}
    found = {}
    for row in Batch.objects.filter(pk__in=keys).order_by().values("pk").annotate(**sums):
        sums_of = cast("dict[str, int]", row)
        found[row["pk"]] = Counts(**{name: sums_of[f"sum_{name}"] for name in COUNT_FIELDS})
    return found
