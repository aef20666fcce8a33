"""ProviderJob: one job at a provider's own batch API, over some slices of one batch; and ProviderJobIncident."""

from datetime import datetime
from typing import ClassVar

from django.db import models
from django.db.models import Q
from uuid_utils.compat import uuid7

from batches.models.batch import Batch
from batches.models.lease import Leased
from batches.rules.execution import AT_PROVIDER, OPEN_JOBS, IncidentCode, JobState, Recall
from providers.models import Provider

NOTE_CHARS = 500


class ProviderJobQuerySet(models.QuerySet["ProviderJob"]):
    def open(self) -> "ProviderJobQuerySet":
        return self.filter(state__in=OPEN_JOBS)

    def at_provider(self) -> "ProviderJobQuerySet":
        """The jobs that exist at their provider, or may."""
        return self.filter(state__in=AT_PROVIDER)

    def take_back(self, why: Recall, *, by: str, now: datetime) -> int:
        """Take back those of the jobs that nobody has taken back. A worker looks at them at once. How many."""
        taken = {"recall": why, "recalled_at": now, "recalled_by": by[:200]}
        return self.filter(recall="").update(**taken, poll_at=now, updated_at=now)


class ProviderJob(Leased):
    """A job at a provider's batch API. The lease is for the one worker that speaks to the provider about it.

    `marker` finds the job again at the provider; `former_markers` are those of create calls that came to nothing. `poll_at` is
    when it is looked at next; without it there is nothing to do. Counts that are `reported` are the provider's, and None is
    unknown. The portal's own counts are of rows of the results: each row once, as `seen` has one bit for each line. A paid row
    that changed nothing is a duplicate if another way had settled its request, and late if the batch had stopped.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="provider_jobs")
    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="jobs")
    family = models.CharField(max_length=32, help_text="The kind of batch API.")
    model = models.CharField(max_length=200, blank=True)
    window = models.CharField(max_length=20)
    marker = models.CharField(max_length=64, unique=True)
    former_markers = models.JSONField(default=list, blank=True)
    attempt = models.PositiveSmallIntegerField(default=1, help_text="The first, second, ... job for these lines.")
    state = models.CharField(max_length=10, choices=JobState.choices, default=JobState.PREPARING)
    note = models.CharField(max_length=NOTE_CHARS, blank=True, default="", help_text="What it waits for, or why it ended.")

    first_line = models.PositiveIntegerField()
    last_line = models.PositiveIntegerField()
    rows = models.PositiveIntegerField(default=0, help_text="Requests in its input.")
    bytes = models.PositiveBigIntegerField(default=0, help_text="Of its input.")
    estimated_tokens = models.PositiveBigIntegerField(null=True, blank=True, help_text="That its requests may use.")
    estimated_nanos = models.PositiveBigIntegerField(null=True, blank=True, help_text="That they may cost, as far as is known.")
    input_ref = models.CharField(max_length=500, blank=True, help_text="The provider's id of the input.")
    uploads = models.PositiveIntegerField(default=0, db_default=0, help_text="Begun uploads of its input.")
    before = models.CharField(max_length=200, blank=True, help_text="The newest job at the provider before the create call.")
    remote_id = models.CharField(max_length=300, blank=True, help_text="The provider's id of the job.")
    ruled_out = models.JSONField(null=True, blank=True, help_text="Ids of jobs at the provider that are not this one any more.")
    adopted_at = models.DateTimeField(null=True, blank=True, help_text="When it was found, without the answer of a create call.")

    word = models.CharField(max_length=64, blank=True, help_text="The provider's word for its state.")
    ending = models.CharField(max_length=10, blank=True)
    problem_kind = models.CharField(max_length=32, blank=True, default="", help_text="Why it failed as a whole.")
    outputs = models.JSONField(default=list, blank=True)
    reported_total = models.PositiveIntegerField(null=True, blank=True)
    reported_succeeded = models.PositiveIntegerField(null=True, blank=True)
    reported_failed = models.PositiveIntegerField(null=True, blank=True)
    remote_created_at = models.DateTimeField(null=True, blank=True)
    remote_ended_at = models.DateTimeField(null=True, blank=True)
    remote_expires_at = models.DateTimeField(null=True, blank=True)

    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True, help_text="Before the first create call of this marker.")
    started_at = models.DateTimeField(null=True, blank=True, help_text="When it was known to exist at the provider.")
    collecting_at = models.DateTimeField(null=True, blank=True, help_text="When its end at the provider was first seen.")
    ended_at = models.DateTimeField(null=True, blank=True)
    removed_at = models.DateTimeField(null=True, blank=True, help_text="When its files were gone at the provider.")
    left_behind = models.JSONField(default=list, blank=True)

    poll_at = models.DateTimeField(null=True, blank=True)
    looks = models.PositiveIntegerField(default=0, help_text="Of the present state.")
    tries = models.PositiveIntegerField(default=0, help_text="Calls in a row that failed.")
    failure = models.CharField(max_length=NOTE_CHARS, blank=True, default="")

    recall = models.CharField(max_length=8, choices=Recall.choices, blank=True, default="")
    recalled_at = models.DateTimeField(null=True, blank=True)
    recalled_by = models.CharField(max_length=200, blank=True, default="")
    cancel_asked_at = models.DateTimeField(null=True, blank=True)
    released_at = models.DateTimeField(null=True, blank=True, help_text="When its open requests were left to others.")

    seen = models.BinaryField(default=b"", editable=False)
    succeeded = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    never_ran = models.PositiveIntegerField(default=0)
    duplicates = models.PositiveIntegerField(default=0)
    late = models.PositiveIntegerField(default=0)
    foreign = models.PositiveIntegerField(default=0)
    unreadable = models.PositiveIntegerField(default=0)
    cost_nanos = models.PositiveBigIntegerField(default=0, help_text="Of what succeeded, at the price of batches.")
    direct_cost_nanos = models.PositiveBigIntegerField(default=0, help_text="Of the same, had it been sent directly.")
    wasted_nanos = models.PositiveBigIntegerField(default=0, help_text="Of duplicates and late rows.")
    unpriced = models.PositiveIntegerField(default=0)

    former_base_url = models.CharField(max_length=500, blank=True, default="")
    former_credential = models.BinaryField(blank=True, default=b"", editable=False)

    objects = ProviderJobQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-created_at", "-id"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(state__in=JobState.values), name="provider_job_state_known"),
            models.CheckConstraint(
                condition=Q(state__in=[JobState.PREPARING, JobState.REFUSED, JobState.ENDED]) | Q(sent_at__isnull=False),
                name="provider_job_sent_is_stamped",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["poll_at"], condition=Q(poll_at__isnull=False), name="provider_job_due"),
            models.Index(
                fields=["poll_at"],
                condition=Q(poll_at__isnull=False) & ~Q(state=JobState.PREPARING),
                name="provider_job_begun",
            ),
            models.Index(fields=["batch"], condition=Q(state__in=OPEN_JOBS, recall=""), name="provider_job_unrecalled"),
            models.Index(fields=["recall"], condition=Q(state__in=OPEN_JOBS) & ~Q(recall=""), name="provider_job_recalled"),
            models.Index(fields=["provider", "state"], condition=Q(state__in=OPEN_JOBS), name="provider_job_open"),
            models.Index(fields=["-created_at", "-id"], name="provider_job_list"),
            models.Index(fields=["remote_id"], name="provider_job_remote"),
        ]

    def __str__(self) -> str:
        return f"{self.marker}, lines {self.first_line}-{self.last_line}"

    @property
    def collected(self) -> int:
        """The rows of the results so far."""
        return self.succeeded + self.failed + self.never_ran + self.duplicates + self.late

    @property
    def has_files(self) -> bool:
        """Whether something of the job may be stored at its provider."""
        return bool(self.input_ref or self.uploads or self.remote_id)

    @property
    def is_proven(self) -> bool:
        """Whether the job at the provider is certainly the portal's: its create call was answered, or a row of it came."""
        return self.adopted_at is None or self.collected > 0

    @property
    def saved_nanos(self) -> int:
        """What the batch price has saved, less what was paid in vain; 0 at least."""
        return max(self.direct_cost_nanos - self.cost_nanos - self.wasted_nanos, 0)


class ProviderJobIncident(models.Model):
    """Something about a job that may need a person. There is one of each code at a job; it stays when it is resolved."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    job = models.ForeignKey(ProviderJob, on_delete=models.CASCADE, related_name="incidents")
    code = models.CharField(max_length=16, choices=IncidentCode.choices)
    note = models.CharField(max_length=NOTE_CHARS)
    candidates = models.JSONField(default=list, blank=True, help_text="Ids of jobs at the provider that may be the job in doubt.")
    opened_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolved_by = models.CharField(max_length=200, blank=True, default="")
    resolution = models.CharField(max_length=NOTE_CHARS, blank=True, default="")

    class Meta:
        ordering: ClassVar = ["-opened_at", "-id"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["job", "code"], name="incident_once")]
        indexes: ClassVar = [
            models.Index(fields=["-opened_at"], condition=Q(resolved_at=None), name="incident_open"),
        ]

    def __str__(self) -> str:
        return IncidentCode(self.code).label
