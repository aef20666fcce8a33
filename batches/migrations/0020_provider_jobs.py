"""Jobs at the providers' own batch APIs, and how each batch is carried out. New columns are empty or have a default."""

import django.db.models.deletion
import uuid_utils.compat
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("batches", "0019_indexes_of_acts_and_recoveries"),
        ("providers", "0007_region_of_batch_apis"),
    ]

    operations = [
        migrations.CreateModel(
            name="ProviderJobIncident",
            fields=[
                ("id", models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                (
                    "code",
                    models.CharField(
                        choices=[
                            ("uncertain", "It is not known whether the job exists"),
                            ("ambiguous", "Several jobs at the provider may be this one"),
                            ("surfaced", "A job appeared that was taken for lost"),
                            ("refused", "The provider refused the job"),
                            ("failed", "The job failed as a whole"),
                            ("unknown_word", "The provider uses a word for its state that is not known"),
                            ("counts_differ", "The provider counts otherwise"),
                            ("missing_rows", "Results are missing"),
                            ("foreign_rows", "Results are there that were never asked for"),
                            ("unreadable", "Results cannot be read"),
                            ("gone", "The provider does not know the job any more"),
                            ("left_behind", "Files could not be deleted at the provider"),
                        ],
                        max_length=16,
                    ),
                ),
                ("note", models.CharField(max_length=500)),
                (
                    "candidates",
                    models.JSONField(
                        blank=True, default=list, help_text="Ids of jobs at the provider that may be the job in doubt."
                    ),
                ),
                ("opened_at", models.DateTimeField()),
                ("updated_at", models.DateTimeField()),
                ("resolved_at", models.DateTimeField(blank=True, null=True)),
                ("resolved_by", models.CharField(blank=True, default="", max_length=200)),
                ("resolution", models.CharField(blank=True, default="", max_length=500)),
            ],
            options={
                "ordering": ["-opened_at", "-id"],
            },
        ),
        migrations.AddField(
            model_name="batch",
            name="execution",
            field=models.CharField(
                choices=[
                    ("direct", "direct: the portal sends each request"),
                    ("delegated", "delegated: the provider's batch API runs them"),
                    ("hybrid", "hybrid: delegated, and finished directly before the deadline"),
                    ("auto", "auto: hybrid where it pays"),
                ],
                db_default="direct",
                default="direct",
                help_text="Who calls.",
                max_length=9,
            ),
        ),
        migrations.AddField(
            model_name="batch",
            name="execution_asked",
            field=models.CharField(blank=True, db_default="", default="", help_text="The wish of its maker.", max_length=9),
        ),
        migrations.AddField(
            model_name="batch",
            name="execution_reason",
            field=models.CharField(blank=True, db_default="", default="", help_text="Why it runs so.", max_length=300),
        ),
        migrations.AddField(
            model_name="batch",
            name="taken_back_at",
            field=models.DateTimeField(
                blank=True,
                help_text="When requests were first taken back from the provider's batch API, to be sent directly.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="project",
            name="execution",
            field=models.CharField(
                blank=True,
                choices=[
                    ("direct", "direct: the portal sends each request"),
                    ("delegated", "delegated: the provider's batch API runs them"),
                    ("hybrid", "hybrid: delegated, and finished directly before the deadline"),
                    ("auto", "auto: hybrid where it pays"),
                ],
                db_default="",
                default="",
                help_text="Empty: as the provider says.",
                max_length=9,
            ),
        ),
        migrations.AddField(
            model_name="project",
            name="may_delegate",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Its requests may be stored at providers, by their batch APIs, until their results are here.",
            ),
        ),
        migrations.AlterField(
            model_name="event",
            name="act",
            field=models.CharField(
                blank=True,
                choices=[
                    ("paused", "Paused"),
                    ("resumed", "Resumed"),
                    ("retried", "Retried"),
                    ("rerouted", "Rerouted"),
                    ("reprioritised", "Reprioritised"),
                    ("guarded", "stopped by a guard"),
                    ("reguarded", "guards changed"),
                    ("repaired", "Repaired"),
                    ("handed_over", "handed over to the provider's batch API"),
                    ("taken_back", "taken back from the provider's batch API"),
                    ("sent_directly", "finished directly"),
                ],
                help_text="What was done besides a move.",
                max_length=16,
            ),
        ),
        migrations.CreateModel(
            name="ProviderJob",
            fields=[
                ("lease_owner", models.UUIDField(blank=True, editable=False, null=True)),
                ("lease_epoch", models.PositiveIntegerField(default=0, editable=False)),
                ("lease_expires_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("id", models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ("family", models.CharField(help_text="The kind of batch API.", max_length=32)),
                ("model", models.CharField(blank=True, max_length=200)),
                ("window", models.CharField(max_length=20)),
                ("marker", models.CharField(max_length=64, unique=True)),
                ("former_markers", models.JSONField(blank=True, default=list)),
                ("attempt", models.PositiveSmallIntegerField(default=1, help_text="The first, second, ... job for these lines.")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("preparing", "Preparing"),
                            ("sending", "Sending"),
                            ("uncertain", "Uncertain"),
                            ("running", "Running"),
                            ("collecting", "Collecting"),
                            ("ended", "Ended"),
                            ("refused", "Refused"),
                        ],
                        default="preparing",
                        max_length=10,
                    ),
                ),
                (
                    "note",
                    models.CharField(blank=True, default="", help_text="What it waits for, or why it ended.", max_length=500),
                ),
                ("first_line", models.PositiveIntegerField()),
                ("last_line", models.PositiveIntegerField()),
                ("rows", models.PositiveIntegerField(default=0, help_text="Requests in its input.")),
                ("bytes", models.PositiveBigIntegerField(default=0, help_text="Of its input.")),
                (
                    "estimated_tokens",
                    models.PositiveBigIntegerField(blank=True, help_text="That its requests may use.", null=True),
                ),
                (
                    "estimated_nanos",
                    models.PositiveBigIntegerField(blank=True, help_text="That they may cost, as far as is known.", null=True),
                ),
                ("input_ref", models.CharField(blank=True, help_text="The provider's id of the input.", max_length=500)),
                ("uploads", models.PositiveIntegerField(db_default=0, default=0, help_text="Begun uploads of its input.")),
                (
                    "before",
                    models.CharField(
                        blank=True, help_text="The newest job at the provider before the create call.", max_length=200
                    ),
                ),
                ("remote_id", models.CharField(blank=True, help_text="The provider's id of the job.", max_length=300)),
                (
                    "ruled_out",
                    models.JSONField(
                        blank=True, help_text="Ids of jobs at the provider that are not this one any more.", null=True
                    ),
                ),
                (
                    "adopted_at",
                    models.DateTimeField(
                        blank=True, help_text="When it was found, without the answer of a create call.", null=True
                    ),
                ),
                ("word", models.CharField(blank=True, help_text="The provider's word for its state.", max_length=64)),
                ("ending", models.CharField(blank=True, max_length=10)),
                ("problem_kind", models.CharField(blank=True, default="", help_text="Why it failed as a whole.", max_length=32)),
                ("outputs", models.JSONField(blank=True, default=list)),
                ("reported_total", models.PositiveIntegerField(blank=True, null=True)),
                ("reported_succeeded", models.PositiveIntegerField(blank=True, null=True)),
                ("reported_failed", models.PositiveIntegerField(blank=True, null=True)),
                ("remote_created_at", models.DateTimeField(blank=True, null=True)),
                ("remote_ended_at", models.DateTimeField(blank=True, null=True)),
                ("remote_expires_at", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField()),
                ("updated_at", models.DateTimeField()),
                (
                    "sent_at",
                    models.DateTimeField(blank=True, help_text="Before the first create call of this marker.", null=True),
                ),
                (
                    "started_at",
                    models.DateTimeField(blank=True, help_text="When it was known to exist at the provider.", null=True),
                ),
                (
                    "collecting_at",
                    models.DateTimeField(blank=True, help_text="When its end at the provider was first seen.", null=True),
                ),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                (
                    "removed_at",
                    models.DateTimeField(blank=True, help_text="When its files were gone at the provider.", null=True),
                ),
                ("left_behind", models.JSONField(blank=True, default=list)),
                ("poll_at", models.DateTimeField(blank=True, null=True)),
                ("looks", models.PositiveIntegerField(default=0, help_text="Of the present state.")),
                ("tries", models.PositiveIntegerField(default=0, help_text="Calls in a row that failed.")),
                ("failure", models.CharField(blank=True, default="", max_length=500)),
                (
                    "recall",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("late", "it would miss the deadline"),
                            ("stopped", "its batch was cancelled or has ended"),
                            ("person", "somebody took it back"),
                            ("moved", "its batch was moved before it was sent"),
                        ],
                        default="",
                        max_length=8,
                    ),
                ),
                ("recalled_at", models.DateTimeField(blank=True, null=True)),
                ("recalled_by", models.CharField(blank=True, default="", max_length=200)),
                ("cancel_asked_at", models.DateTimeField(blank=True, null=True)),
                (
                    "released_at",
                    models.DateTimeField(blank=True, help_text="When its open requests were left to others.", null=True),
                ),
                ("seen", models.BinaryField(default=b"")),
                ("succeeded", models.PositiveIntegerField(default=0)),
                ("failed", models.PositiveIntegerField(default=0)),
                ("never_ran", models.PositiveIntegerField(default=0)),
                ("duplicates", models.PositiveIntegerField(default=0)),
                ("late", models.PositiveIntegerField(default=0)),
                ("foreign", models.PositiveIntegerField(default=0)),
                ("unreadable", models.PositiveIntegerField(default=0)),
                (
                    "cost_nanos",
                    models.PositiveBigIntegerField(default=0, help_text="Of what succeeded, at the price of batches."),
                ),
                (
                    "direct_cost_nanos",
                    models.PositiveBigIntegerField(default=0, help_text="Of the same, had it been sent directly."),
                ),
                ("wasted_nanos", models.PositiveBigIntegerField(default=0, help_text="Of duplicates and late rows.")),
                ("unpriced", models.PositiveIntegerField(default=0)),
                ("former_base_url", models.CharField(blank=True, default="", max_length=500)),
                ("former_credential", models.BinaryField(blank=True, default=b"")),
                (
                    "batch",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="provider_jobs", to="batches.batch"
                    ),
                ),
                (
                    "provider",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="jobs", to="providers.provider"),
                ),
            ],
            options={
                "ordering": ["-created_at", "-id"],
            },
        ),
        migrations.AddField(
            model_name="slice",
            name="provider_job",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="slices",
                to="batches.providerjob",
            ),
        ),
        migrations.AddField(
            model_name="providerjobincident",
            name="job",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="incidents", to="batches.providerjob"
            ),
        ),
        migrations.AddIndex(
            model_name="providerjob",
            index=models.Index(condition=models.Q(("poll_at__isnull", False)), fields=["poll_at"], name="provider_job_due"),
        ),
        migrations.AddIndex(
            model_name="providerjob",
            index=models.Index(
                condition=models.Q(("poll_at__isnull", False), models.Q(("state", "preparing"), _negated=True)),
                fields=["poll_at"],
                name="provider_job_begun",
            ),
        ),
        migrations.AddIndex(
            model_name="providerjob",
            index=models.Index(
                condition=models.Q(
                    ("recall", ""), ("state__in", frozenset(["collecting", "preparing", "running", "sending", "uncertain"]))
                ),
                fields=["batch"],
                name="provider_job_unrecalled",
            ),
        ),
        migrations.AddIndex(
            model_name="providerjob",
            index=models.Index(
                condition=models.Q(
                    ("state__in", frozenset(["collecting", "preparing", "running", "sending", "uncertain"])),
                    models.Q(("recall", ""), _negated=True),
                ),
                fields=["recall"],
                name="provider_job_recalled",
            ),
        ),
        migrations.AddIndex(
            model_name="providerjob",
            index=models.Index(
                condition=models.Q(("state__in", frozenset(["collecting", "preparing", "running", "sending", "uncertain"]))),
                fields=["provider", "state"],
                name="provider_job_open",
            ),
        ),
        migrations.AddIndex(
            model_name="providerjob",
            index=models.Index(fields=["-created_at", "-id"], name="provider_job_list"),
        ),
        migrations.AddIndex(
            model_name="providerjob",
            index=models.Index(fields=["remote_id"], name="provider_job_remote"),
        ),
        migrations.AddConstraint(
            model_name="providerjob",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state__in", ["preparing", "sending", "uncertain", "running", "collecting", "ended", "refused"])
                ),
                name="provider_job_state_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="providerjob",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["preparing", "refused", "ended"]), ("sent_at__isnull", False), _connector="OR"),
                name="provider_job_sent_is_stamped",
            ),
        ),
        migrations.AddIndex(
            model_name="providerjobincident",
            index=models.Index(condition=models.Q(("resolved_at", None)), fields=["-opened_at"], name="incident_open"),
        ),
        migrations.AddConstraint(
            model_name="providerjobincident",
            constraint=models.UniqueConstraint(fields=("job", "code"), name="incident_once"),
        ),
    ]
