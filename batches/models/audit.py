"""AuditEntry: an act or a refusal of a person, a key or a command, besides the acts that a batch's own timeline tells."""

from typing import ClassVar

from django.db import models
from uuid_utils.compat import uuid7

from batches.models.project import Project
from batches.rules.states import Source


class AuditEntry(models.Model):
    """A record that is never changed, except that an erasure takes a value out of its texts. Retention may remove it by age.

    `target` names what was acted on, for people; `target_id` for programs. `changes` has old and new values
    (`batches.rules.changes`); values of secrets are never in it.
    """

    class Outcome(models.TextChoices):
        DONE = "done"
        REFUSED = "refused"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    act = models.CharField(max_length=50, help_text="A verb, such as revoke_key.")
    outcome = models.CharField(max_length=8, choices=Outcome.choices, default=Outcome.DONE)
    actor = models.CharField(max_length=200)
    source = models.CharField(max_length=10, choices=Source.choices)
    project = models.ForeignKey(Project, null=True, on_delete=models.SET_NULL, related_name="+")
    target_type = models.CharField(max_length=50)
    target_id = models.CharField(max_length=64, blank=True)
    target = models.CharField(max_length=200, blank=True)
    reason = models.CharField(max_length=1000, blank=True)
    changes = models.JSONField(null=True, editable=False)
    created_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["-created_at", "-id"]
        verbose_name_plural = "audit entries"
        indexes: ClassVar = [
            models.Index(fields=["-created_at", "-id"], name="audit_list"),
            models.Index(fields=["target_id"], name="audit_target"),
            models.Index(fields=["project", "-created_at", "-id"], name="audit_project"),
            models.Index(fields=["actor", "-created_at", "-id"], name="audit_actor"),
        ]

    def __str__(self) -> str:
        return f"{self.act} {self.target}"
