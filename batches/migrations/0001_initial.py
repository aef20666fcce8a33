import uuid

import django.core.validators
import django.db.models.deletion
import django.db.models.expressions
import uuid_utils.compat
from django.conf import settings
from django.db import migrations, models

import batches.models.file
import batches.models.upload


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("providers", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Project",
            fields=[
                ("id", models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ("slug", models.SlugField(max_length=64, unique=True)),
                ("name", models.CharField(blank=True, max_length=200)),
                (
                    "max_open_batches",
                    models.PositiveIntegerField(blank=True, help_text="Empty: the portal's default.", null=True),
                ),
                (
                    "max_pending_objects",
                    models.PositiveBigIntegerField(blank=True, help_text="Empty: the portal's default.", null=True),
                ),
                (
                    "max_stored_bytes",
                    models.PositiveBigIntegerField(blank=True, help_text="Empty: the portal's default.", null=True),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "ordering": ["slug"],
            },
        ),
        migrations.CreateModel(
            name="ApiKey",
            fields=[
                ("id", models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                (
                    "project",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="api_keys", to="batches.project"),
                ),
                ("name", models.CharField(max_length=100)),
                ("prefix", models.CharField(editable=False, max_length=11, unique=True)),
                ("digest", models.CharField(editable=False, max_length=64)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("revoked_at", models.DateTimeField(blank=True, null=True)),
                ("last_used_at", models.DateTimeField(blank=True, editable=False, null=True)),
            ],
            options={
                "verbose_name": "API key",
                "ordering": ["-created_at"],
            },
        ),
        migrations.CreateModel(
            name="ErrorGroup",
            fields=[
                ("id", models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="error_groups", to="batches.project"
                    ),
                ),
                ("fingerprint", models.CharField(max_length=43)),
                ("provider", models.CharField(blank=True, max_length=64)),
                ("source", models.CharField(max_length=10)),
                ("kind", models.CharField(blank=True, max_length=32)),
                ("http_status", models.PositiveSmallIntegerField(blank=True, null=True)),
                ("code", models.CharField(max_length=100)),
                ("message", models.CharField(max_length=500)),
                ("sample", models.CharField(help_text="The first message, as it came.", max_length=2000)),
                ("first_seen", models.DateTimeField()),
                ("note", models.CharField(blank=True, max_length=2000)),
                ("noted_by", models.CharField(blank=True, max_length=200)),
                ("muted_at", models.DateTimeField(blank=True, null=True)),
                ("muted_by", models.CharField(blank=True, max_length=200)),
            ],
            options={
                "ordering": ["-first_seen"],
                "indexes": [models.Index(fields=["fingerprint"], name="error_group_fingerprint")],
                "constraints": [models.UniqueConstraint(fields=("project", "fingerprint"), name="error_group_once")],
            },
        ),
        migrations.CreateModel(
            name="Worker",
            fields=[
                ("id", models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ("role", models.CharField(choices=[("control", "Control"), ("execute", "Execute")], max_length=8)),
                ("name", models.CharField(help_text="Host and process.", max_length=200)),
                ("in_flight", models.PositiveIntegerField(default=0)),
                ("started_at", models.DateTimeField()),
                ("seen_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["role", "name"],
            },
        ),
        migrations.CreateModel(
            name="BulkOperation",
            fields=[
                ("lease_owner", models.UUIDField(blank=True, editable=False, null=True)),
                ("lease_epoch", models.PositiveIntegerField(default=0, editable=False)),
                ("lease_expires_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("id", models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                (
                    "owner",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="bulk_operations",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("actor", models.CharField(max_length=200)),
                ("source", models.CharField(max_length=10)),
                (
                    "act",
                    models.CharField(
                        choices=[
                            ("cancel", "Cancel"),
                            ("pause", "Pause"),
                            ("resume", "Resume"),
                            ("retry", "retry failed"),
                            ("reprioritise", "Reprioritise"),
                        ],
                        max_length=16,
                    ),
                ),
                ("parameters", models.JSONField(blank=True, default=dict)),
                (
                    "query",
                    models.CharField(
                        blank=True, help_text="The filter that chose them; empty: chosen one by one.", max_length=2000
                    ),
                ),
                ("reason", models.CharField(max_length=500)),
                ("token", models.UUIDField(default=uuid.uuid4, unique=True)),
                ("created_before", models.DateTimeField()),
                (
                    "status",
                    models.CharField(
                        choices=[("pending", "Pending"), ("running", "Running"), ("done", "Done"), ("cancelled", "Cancelled")],
                        default="pending",
                        max_length=9,
                    ),
                ),
                ("total", models.PositiveIntegerField(default=0)),
                ("done", models.PositiveIntegerField(default=0)),
                ("skipped", models.PositiveIntegerField(default=0)),
                ("failed", models.PositiveIntegerField(default=0)),
                (
                    "retry_of",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="retries",
                        to="batches.bulkoperation",
                    ),
                ),
                ("created_at", models.DateTimeField()),
                ("started_at", models.DateTimeField(blank=True, null=True)),
                ("cancelled_at", models.DateTimeField(blank=True, null=True)),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "ordering": ["-created_at", "-id"],
                "indexes": [models.Index(fields=["-created_at", "-id"], name="bulk_list")],
            },
        ),
        migrations.CreateModel(
            name="ErrorGroupHour",
            fields=[
                ("id", models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                (
                    "group",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="hours", to="batches.errorgroup"
                    ),
                ),
                ("hour", models.DateTimeField()),
                ("count", models.PositiveIntegerField()),
            ],
            options={
                "ordering": ["group", "hour"],
                "indexes": [models.Index(fields=["hour"], name="error_group_hour")],
                "constraints": [models.UniqueConstraint(fields=("group", "hour"), name="error_group_hour_once")],
            },
        ),
        migrations.CreateModel(
            name="File",
            fields=[
                ("id", models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                (
                    "project",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="files", to="batches.project"),
                ),
                (
                    "purpose",
                    models.CharField(
                        choices=[
                            ("batch", "Batch"),
                            ("batch_output", "Batch Output"),
                            ("assistants", "Assistants"),
                            ("fine-tune", "Fine Tune"),
                            ("vision", "Vision"),
                            ("user_data", "User Data"),
                            ("evals", "Evals"),
                        ],
                        max_length=20,
                    ),
                ),
                ("filename", models.CharField(max_length=255)),
                ("bytes", models.PositiveBigIntegerField()),
                ("content", models.FileField(max_length=200, upload_to=batches.models.file.storage_name)),
                (
                    "created_by_key",
                    models.ForeignKey(
                        blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="batches.apikey"
                    ),
                ),
                ("created_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("deleted_at", models.DateTimeField(blank=True, null=True)),
                ("purged_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "ordering": ["-created_at", "-id"],
                "indexes": [
                    models.Index(fields=["project", "-created_at", "-id"], name="file_list"),
                    models.Index(condition=models.Q(("purged_at", None)), fields=["expires_at"], name="file_expiry"),
                    models.Index(condition=models.Q(("purged_at__isnull", False)), fields=["purged_at"], name="file_purged"),
                    models.Index(condition=models.Q(("purged_at", None)), fields=["project", "bytes"], name="file_stored"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Batch",
            fields=[
                (
                    "max_error_rate",
                    models.FloatField(
                        blank=True,
                        help_text="Share of failed objects, from 0 to 1, above which a batch is paused.",
                        null=True,
                        validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(1)],
                    ),
                ),
                (
                    "error_sample",
                    models.PositiveIntegerField(
                        blank=True, help_text="How many objects must have settled before the error rate counts.", null=True
                    ),
                ),
                (
                    "max_cost",
                    models.DecimalField(
                        blank=True, decimal_places=6, help_text="Cost above which a batch is paused.", max_digits=14, null=True
                    ),
                ),
                (
                    "max_tokens",
                    models.PositiveBigIntegerField(
                        blank=True, help_text="Input and output tokens together, above which a batch is paused.", null=True
                    ),
                ),
                ("total", models.PositiveIntegerField(default=0)),
                ("pending", models.PositiveIntegerField(default=0)),
                ("succeeded", models.PositiveIntegerField(default=0)),
                ("failed", models.PositiveIntegerField(default=0)),
                ("cancelled", models.PositiveIntegerField(default=0)),
                ("expired", models.PositiveIntegerField(default=0)),
                ("input_tokens", models.PositiveBigIntegerField(default=0)),
                ("output_tokens", models.PositiveBigIntegerField(default=0)),
                ("cached_tokens", models.PositiveBigIntegerField(default=0)),
                ("reasoning_tokens", models.PositiveBigIntegerField(default=0)),
                ("cost_nanos", models.PositiveBigIntegerField(default=0, help_text="In billionths of the portal's currency.")),
                (
                    "unpriced",
                    models.PositiveIntegerField(default=0, help_text="Objects that succeeded and whose cost is not known."),
                ),
                ("lease_owner", models.UUIDField(blank=True, editable=False, null=True)),
                ("lease_epoch", models.PositiveIntegerField(default=0, editable=False)),
                ("lease_expires_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("id", models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                (
                    "project",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="batches", to="batches.project"),
                ),
                (
                    "provider",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="batches", to="providers.provider"
                    ),
                ),
                (
                    "dialect",
                    models.CharField(
                        choices=[
                            ("openai", "OpenAI"),
                            ("bifrost", "Bifrost"),
                            ("anthropic", "Anthropic"),
                            ("novita", "Novita"),
                            ("merge", "Merge"),
                            ("native", "Native"),
                        ],
                        max_length=10,
                    ),
                ),
                ("endpoint", models.CharField(max_length=100)),
                ("model", models.CharField(blank=True, max_length=200)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("validating", "Validating"),
                            ("in_progress", "In progress"),
                            ("finalizing", "Finalizing"),
                            ("cancelling", "Cancelling"),
                            ("completed", "Completed"),
                            ("failed", "Failed"),
                            ("expired", "Expired"),
                            ("cancelled", "Cancelled"),
                        ],
                        default="validating",
                        max_length=12,
                    ),
                ),
                ("version", models.PositiveIntegerField(default=1)),
                ("priority", models.SmallIntegerField(default=0)),
                (
                    "at_risk_since",
                    models.DateTimeField(blank=True, help_text="Since when its pace does not meet its deadline.", null=True),
                ),
                ("throttled_until", models.DateTimeField(blank=True, null=True)),
                ("throttled_reason", models.CharField(blank=True, max_length=200)),
                ("paused_at", models.DateTimeField(blank=True, null=True)),
                ("paused_by", models.CharField(blank=True, max_length=200)),
                ("paused_reason", models.CharField(blank=True, max_length=500)),
                (
                    "acknowledged_settled",
                    models.PositiveIntegerField(default=0, help_text="Objects that settled before it was last resumed."),
                ),
                ("acknowledged_failed", models.PositiveIntegerField(default=0, help_text="How many of those failed.")),
                (
                    "parent",
                    models.ForeignKey(
                        blank=True,
                        help_text="Whose failures it retries.",
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="children",
                        to="batches.batch",
                    ),
                ),
                (
                    "input_file",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="input_of", to="batches.file"
                    ),
                ),
                (
                    "output_file",
                    models.ForeignKey(
                        blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="batches.file"
                    ),
                ),
                (
                    "error_file",
                    models.ForeignKey(
                        blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="batches.file"
                    ),
                ),
                ("output_lifetime_seconds", models.PositiveIntegerField(blank=True, null=True)),
                ("completion_window", models.CharField(max_length=20)),
                ("metadata", models.JSONField(blank=True, null=True)),
                ("remark", models.CharField(blank=True, max_length=500)),
                ("operation_name", models.CharField(blank=True, max_length=200)),
                ("created_by", models.CharField(blank=True, max_length=200)),
                (
                    "created_by_key",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="batches",
                        to="batches.apikey",
                    ),
                ),
                ("created_at", models.DateTimeField()),
                ("updated_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("in_progress_at", models.DateTimeField(blank=True, null=True)),
                ("finalizing_at", models.DateTimeField(blank=True, null=True)),
                ("cancelling_at", models.DateTimeField(blank=True, null=True)),
                ("completed_at", models.DateTimeField(blank=True, null=True)),
                ("failed_at", models.DateTimeField(blank=True, null=True)),
                ("expired_at", models.DateTimeField(blank=True, null=True)),
                ("cancelled_at", models.DateTimeField(blank=True, null=True)),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                ("archived_at", models.DateTimeField(blank=True, null=True)),
                ("deleted_at", models.DateTimeField(blank=True, null=True)),
                (
                    "results_pruned_at",
                    models.DateTimeField(blank=True, help_text="From then on, answers are read from its files.", null=True),
                ),
                (
                    "error_count",
                    models.PositiveIntegerField(default=0, help_text="Validation errors, also those that are not stored."),
                ),
            ],
            options={
                "verbose_name_plural": "batches",
                "ordering": ["-created_at", "-id"],
                "permissions": [("cancel_batch", "Can cancel a batch")],
                "indexes": [
                    models.Index(fields=["-created_at", "-id"], name="batch_list"),
                    models.Index(fields=["project", "-created_at", "-id"], name="batch_project_list"),
                    models.Index(fields=["status", "-created_at", "-id"], name="batch_status_list"),
                    models.Index(fields=["project", "status", "-created_at", "-id"], name="batch_project_status_list"),
                    models.Index(fields=["-ended_at", "-id"], name="batch_ended_list"),
                    models.Index(fields=["expires_at", "id"], name="batch_deadline_list"),
                    models.Index(fields=["-priority", "-id"], name="batch_priority_list"),
                    models.Index(
                        condition=models.Q(
                            ("status__in", ["failed", "expired"]),
                            models.Q(("failed__gt", 0), ("status", "completed")),
                            _connector="OR",
                        ),
                        fields=["-created_at", "-id"],
                        name="batch_ended_badly",
                    ),
                    models.Index(condition=models.Q(("ended_at", None)), fields=["expires_at"], name="batch_deadline"),
                    models.Index(fields=["input_file"], name="batch_input_file"),
                    models.Index(
                        condition=models.Q(("ended_at__isnull", False), ("results_pruned_at", None)),
                        fields=["ended_at"],
                        name="batch_results_kept",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "status__in",
                                [
                                    "validating",
                                    "in_progress",
                                    "finalizing",
                                    "cancelling",
                                    "completed",
                                    "failed",
                                    "expired",
                                    "cancelled",
                                ],
                            )
                        ),
                        name="batch_status_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("ended_at__isnull", False),
                                ("status__in", frozenset(["cancelled", "completed", "expired", "failed"])),
                            ),
                            models.Q(
                                ("ended_at", None),
                                ("status__in", frozenset(["cancelling", "finalizing", "in_progress", "validating"])),
                            ),
                            _connector="OR",
                        ),
                        name="batch_ended_iff_terminal",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "total",
                                django.db.models.expressions.CombinedExpression(
                                    django.db.models.expressions.CombinedExpression(
                                        django.db.models.expressions.CombinedExpression(
                                            django.db.models.expressions.CombinedExpression(
                                                models.F("pending"), "+", models.F("succeeded")
                                            ),
                                            "+",
                                            models.F("failed"),
                                        ),
                                        "+",
                                        models.F("cancelled"),
                                    ),
                                    "+",
                                    models.F("expired"),
                                ),
                            )
                        ),
                        name="batch_counts_add_up",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("ended_at", None), ("pending", 0), _connector="OR"),
                        name="batch_ended_without_pending",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("status", "in_progress"), _negated=True), ("in_progress_at__isnull", False), _connector="OR"
                        ),
                        name="batch_in_progress_is_stamped",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("status", "finalizing"), _negated=True), ("finalizing_at__isnull", False), _connector="OR"
                        ),
                        name="batch_finalizing_is_stamped",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("status", "cancelling"), _negated=True), ("cancelling_at__isnull", False), _connector="OR"
                        ),
                        name="batch_cancelling_is_stamped",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("status", "completed"), _negated=True), ("completed_at__isnull", False), _connector="OR"
                        ),
                        name="batch_completed_is_stamped",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("status", "failed"), _negated=True), ("failed_at__isnull", False), _connector="OR"
                        ),
                        name="batch_failed_is_stamped",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("status", "expired"), _negated=True), ("expired_at__isnull", False), _connector="OR"
                        ),
                        name="batch_expired_is_stamped",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("status", "cancelled"), _negated=True), ("cancelled_at__isnull", False), _connector="OR"
                        ),
                        name="batch_cancelled_is_stamped",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="BulkItem",
            fields=[
                ("id", models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                (
                    "operation",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="items",
                        to="batches.bulkoperation",
                    ),
                ),
                ("batch", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="batches.batch")),
                (
                    "status",
                    models.CharField(
                        choices=[("pending", "Pending"), ("done", "Done"), ("skipped", "Skipped"), ("failed", "Failed")],
                        default="pending",
                        max_length=8,
                    ),
                ),
                ("note", models.CharField(blank=True, max_length=500)),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "ordering": ["operation", "id"],
                "indexes": [models.Index(fields=["operation", "status", "id"], name="bulk_item_todo")],
                "constraints": [models.UniqueConstraint(fields=("operation", "batch"), name="bulk_item_once")],
            },
        ),
        migrations.CreateModel(
            name="BatchErrorGroup",
            fields=[
                ("id", models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                (
                    "batch",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="error_groups",
                        to="batches.batch",
                    ),
                ),
                (
                    "group",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="in_batches",
                        to="batches.errorgroup",
                    ),
                ),
                ("count", models.PositiveIntegerField()),
                ("first_line", models.PositiveIntegerField(blank=True, null=True)),
                ("last_line", models.PositiveIntegerField(blank=True, null=True)),
                ("first_seen", models.DateTimeField()),
                ("last_seen", models.DateTimeField()),
            ],
            options={
                "ordering": ["batch", "-count"],
                "indexes": [models.Index(fields=["group", "-last_seen"], name="batch_error_group_recent")],
                "constraints": [models.UniqueConstraint(fields=("batch", "group"), name="batch_error_group_once")],
            },
        ),
        migrations.CreateModel(
            name="Event",
            fields=[
                ("id", models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                (
                    "batch",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="events", to="batches.batch"
                    ),
                ),
                (
                    "from_status",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("validating", "Validating"),
                            ("in_progress", "In progress"),
                            ("finalizing", "Finalizing"),
                            ("cancelling", "Cancelling"),
                            ("completed", "Completed"),
                            ("failed", "Failed"),
                            ("expired", "Expired"),
                            ("cancelled", "Cancelled"),
                        ],
                        max_length=12,
                    ),
                ),
                (
                    "to_status",
                    models.CharField(
                        choices=[
                            ("validating", "Validating"),
                            ("in_progress", "In progress"),
                            ("finalizing", "Finalizing"),
                            ("cancelling", "Cancelling"),
                            ("completed", "Completed"),
                            ("failed", "Failed"),
                            ("expired", "Expired"),
                            ("cancelled", "Cancelled"),
                        ],
                        max_length=12,
                    ),
                ),
                (
                    "act",
                    models.CharField(
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
                        ],
                        help_text="What was done besides a move.",
                        max_length=16,
                    ),
                ),
                ("version", models.PositiveIntegerField()),
                ("actor", models.CharField(max_length=200)),
                (
                    "source",
                    models.CharField(
                        choices=[
                            ("api", "API"),
                            ("console", "Console"),
                            ("admin", "Admin"),
                            ("command", "Command"),
                            ("engine", "Engine"),
                            ("reconcile", "Reconcile"),
                        ],
                        max_length=10,
                    ),
                ),
                ("note", models.CharField(blank=True, max_length=1000)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["created_at", "id"],
                "indexes": [models.Index(fields=["batch", "created_at", "id"], name="event_timeline")],
            },
        ),
        migrations.CreateModel(
            name="IdempotencyRecord",
            fields=[
                ("id", models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                (
                    "api_key",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="batches.apikey"
                    ),
                ),
                ("path", models.CharField(max_length=200)),
                ("token", models.CharField(blank=True, help_text="The Idempotency-Key header.", max_length=255)),
                ("digest", models.CharField(help_text="SHA-256 of the body.", max_length=64)),
                (
                    "batch",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="batches.batch"
                    ),
                ),
                ("created_at", models.DateTimeField(db_index=True)),
            ],
            options={
                "indexes": [models.Index(fields=["api_key", "digest", "-created_at"], name="idempotency_retry")],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("token", ""), _negated=True),
                        fields=("api_key", "path", "token"),
                        name="idempotency_key_once",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Membership",
            fields=[
                ("id", models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="memberships", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="memberships", to="batches.project"
                    ),
                ),
                (
                    "role",
                    models.CharField(
                        choices=[("viewer", "Viewer"), ("operator", "Operator"), ("admin", "Admin")],
                        default="viewer",
                        max_length=8,
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "ordering": ["project", "user"],
                "constraints": [models.UniqueConstraint(fields=("user", "project"), name="membership_once")],
            },
        ),
        migrations.CreateModel(
            name="AuditEntry",
            fields=[
                ("id", models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ("act", models.CharField(help_text="A verb, such as revoke_key.", max_length=50)),
                ("outcome", models.CharField(choices=[("done", "Done"), ("refused", "Refused")], default="done", max_length=8)),
                ("actor", models.CharField(max_length=200)),
                (
                    "source",
                    models.CharField(
                        choices=[
                            ("api", "API"),
                            ("console", "Console"),
                            ("admin", "Admin"),
                            ("command", "Command"),
                            ("engine", "Engine"),
                            ("reconcile", "Reconcile"),
                        ],
                        max_length=10,
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="batches.project"
                    ),
                ),
                ("target_type", models.CharField(max_length=50)),
                ("target_id", models.CharField(blank=True, max_length=64)),
                ("target", models.CharField(blank=True, max_length=200)),
                ("reason", models.CharField(blank=True, max_length=1000)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "verbose_name_plural": "audit entries",
                "ordering": ["-created_at", "-id"],
                "indexes": [
                    models.Index(fields=["-created_at", "-id"], name="audit_list"),
                    models.Index(fields=["target_id"], name="audit_target"),
                ],
            },
        ),
        migrations.CreateModel(
            name="AccountToken",
            fields=[
                ("id", models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="account_tokens", to="batches.project"
                    ),
                ),
                (
                    "provider",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="account_tokens", to="providers.provider"
                    ),
                ),
                ("digest", models.CharField(editable=False, max_length=64, unique=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("revoked_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "ordering": ["-created_at"],
            },
        ),
        migrations.CreateModel(
            name="ProviderGrant",
            fields=[
                ("id", models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                (
                    "project",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="grants", to="batches.project"),
                ),
                (
                    "provider",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="grants", to="providers.provider"
                    ),
                ),
                ("is_default", models.BooleanField(default=False)),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("project", "provider"), name="grant_once")],
            },
        ),
        migrations.CreateModel(
            name="ProviderHealth",
            fields=[
                ("id", models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                (
                    "provider",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="health", to="providers.provider"
                    ),
                ),
                ("model", models.CharField(blank=True, max_length=200)),
                ("concurrency", models.PositiveIntegerField()),
                ("in_use", models.PositiveIntegerField(default=0)),
                ("limited_until", models.DateTimeField(blank=True, null=True)),
                ("limited_reason", models.CharField(blank=True, max_length=200)),
                (
                    "breaker",
                    models.CharField(
                        choices=[("closed", "Closed"), ("half_open", "half open"), ("open", "Open")],
                        default="closed",
                        max_length=9,
                    ),
                ),
                ("breaker_until", models.DateTimeField(blank=True, null=True)),
                ("breaker_reason", models.CharField(blank=True, max_length=200)),
                ("updated_at", models.DateTimeField()),
            ],
            options={
                "verbose_name_plural": "provider health",
                "ordering": ["provider", "model"],
                "constraints": [models.UniqueConstraint(fields=("provider", "model"), name="provider_health_once")],
            },
        ),
        migrations.CreateModel(
            name="SavedView",
            fields=[
                ("id", models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                (
                    "owner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="saved_views", to=settings.AUTH_USER_MODEL
                    ),
                ),
                ("name", models.CharField(max_length=100)),
                ("slug", models.SlugField(max_length=120, unique=True)),
                ("query", models.CharField(blank=True, max_length=2000)),
                ("is_shared", models.BooleanField(default=False)),
                ("is_default", models.BooleanField(default=False, help_text="What its owner's list opens with.")),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
            ],
            options={
                "ordering": ["name"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("is_default", True)), fields=("owner",), name="saved_view_one_default"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Slice",
            fields=[
                ("total", models.PositiveIntegerField(default=0)),
                ("pending", models.PositiveIntegerField(default=0)),
                ("succeeded", models.PositiveIntegerField(default=0)),
                ("failed", models.PositiveIntegerField(default=0)),
                ("cancelled", models.PositiveIntegerField(default=0)),
                ("expired", models.PositiveIntegerField(default=0)),
                ("input_tokens", models.PositiveBigIntegerField(default=0)),
                ("output_tokens", models.PositiveBigIntegerField(default=0)),
                ("cached_tokens", models.PositiveBigIntegerField(default=0)),
                ("reasoning_tokens", models.PositiveBigIntegerField(default=0)),
                ("cost_nanos", models.PositiveBigIntegerField(default=0, help_text="In billionths of the portal's currency.")),
                (
                    "unpriced",
                    models.PositiveIntegerField(default=0, help_text="Objects that succeeded and whose cost is not known."),
                ),
                ("lease_owner", models.UUIDField(blank=True, editable=False, null=True)),
                ("lease_epoch", models.PositiveIntegerField(default=0, editable=False)),
                ("lease_expires_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("id", models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                (
                    "batch",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="slices", to="batches.batch"
                    ),
                ),
                ("first_line", models.PositiveIntegerField()),
                ("last_line", models.PositiveIntegerField()),
                ("input_start", models.PositiveBigIntegerField()),
                ("input_end", models.PositiveBigIntegerField()),
                ("output_start", models.PositiveBigIntegerField(blank=True, null=True)),
                ("output_end", models.PositiveBigIntegerField(blank=True, null=True)),
                ("error_start", models.PositiveBigIntegerField(blank=True, null=True)),
                ("error_end", models.PositiveBigIntegerField(blank=True, null=True)),
                ("not_before", models.DateTimeField(blank=True, null=True)),
                ("last_settled_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "ordering": ["batch", "first_line"],
                "indexes": [
                    models.Index(condition=models.Q(("pending__gt", 0)), fields=["batch", "first_line"], name="slice_unfinished"),
                    models.Index(condition=models.Q(("lease_owner__isnull", False)), fields=["batch"], name="slice_leased"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("batch", "first_line"), name="slice_once"),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "total",
                                django.db.models.expressions.CombinedExpression(
                                    django.db.models.expressions.CombinedExpression(
                                        django.db.models.expressions.CombinedExpression(
                                            django.db.models.expressions.CombinedExpression(
                                                models.F("pending"), "+", models.F("succeeded")
                                            ),
                                            "+",
                                            models.F("failed"),
                                        ),
                                        "+",
                                        models.F("cancelled"),
                                    ),
                                    "+",
                                    models.F("expired"),
                                ),
                            )
                        ),
                        name="slice_counts_add_up",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Upload",
            fields=[
                ("id", models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                (
                    "project",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="uploads", to="batches.project"),
                ),
                (
                    "created_by_key",
                    models.ForeignKey(
                        blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="batches.apikey"
                    ),
                ),
                ("filename", models.CharField(max_length=255)),
                ("mime_type", models.CharField(max_length=255)),
                ("purpose", models.CharField(max_length=20)),
                ("bytes", models.PositiveBigIntegerField()),
                ("file_lifetime_seconds", models.PositiveIntegerField(blank=True, null=True)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("pending", "Pending"),
                            ("completed", "Completed"),
                            ("cancelled", "Cancelled"),
                            ("expired", "Expired"),
                        ],
                        default="pending",
                        max_length=10,
                    ),
                ),
                ("created_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                (
                    "file",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="upload",
                        to="batches.file",
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at", "-id"],
                "indexes": [
                    models.Index(condition=models.Q(("status", "pending")), fields=["project", "bytes"], name="upload_promised")
                ],
            },
        ),
        migrations.CreateModel(
            name="UploadPart",
            fields=[
                ("id", models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                (
                    "upload",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="parts", to="batches.upload"),
                ),
                ("bytes", models.PositiveBigIntegerField()),
                ("content", models.FileField(max_length=200, upload_to=batches.models.upload.part_storage_name)),
                ("created_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="Attempt",
            fields=[
                ("id", models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                (
                    "batch",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="attempts",
                        to="batches.batch",
                    ),
                ),
                ("line", models.PositiveIntegerField()),
                ("round", models.PositiveSmallIntegerField()),
                ("number", models.PositiveSmallIntegerField(help_text="From 1, within the round.")),
                ("kind", models.CharField(max_length=32)),
                ("answered", models.BooleanField()),
                ("http_status", models.PositiveSmallIntegerField(blank=True, null=True)),
                ("code", models.CharField(blank=True, max_length=100)),
                ("message", models.CharField(blank=True, max_length=2000)),
                ("request_id", models.CharField(blank=True, max_length=200)),
                ("latency_ms", models.PositiveIntegerField()),
                ("retry_after", models.FloatField(blank=True, help_text="Seconds the upstream asked to wait.", null=True)),
                ("retry_at", models.DateTimeField(help_text="When the next attempt may start.")),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["batch", "line", "round", "number"],
                "constraints": [models.UniqueConstraint(fields=("batch", "line", "round", "number"), name="attempt_once")],
            },
        ),
        migrations.CreateModel(
            name="BatchError",
            fields=[
                ("id", models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                (
                    "batch",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="errors",
                        to="batches.batch",
                    ),
                ),
                ("line", models.PositiveIntegerField(blank=True, null=True)),
                ("round", models.PositiveSmallIntegerField(blank=True, null=True)),
                ("code", models.CharField(max_length=100)),
                ("message", models.CharField(max_length=2000)),
                ("param", models.CharField(blank=True, max_length=200)),
                ("kind", models.CharField(blank=True, max_length=32)),
                ("source", models.CharField(blank=True, max_length=10)),
                ("http_status", models.PositiveSmallIntegerField(blank=True, null=True)),
                ("fingerprint", models.CharField(max_length=43)),
                ("retried_at", models.DateTimeField(blank=True, help_text="When its object was sent for again.", null=True)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["batch", "line", "id"],
                "indexes": [models.Index(fields=["batch", "fingerprint", "line"], name="error_group")],
            },
        ),
        migrations.CreateModel(
            name="BatchMinute",
            fields=[
                ("id", models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                (
                    "batch",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="minutes",
                        to="batches.batch",
                    ),
                ),
                ("minute", models.DateTimeField()),
                ("succeeded", models.PositiveIntegerField(default=0)),
                ("failed", models.PositiveIntegerField(default=0)),
                ("retried", models.PositiveIntegerField(default=0)),
                ("throttled", models.PositiveIntegerField(default=0)),
                ("latency_ms", models.PositiveBigIntegerField(default=0)),
            ],
            options={
                "ordering": ["batch", "minute"],
                "indexes": [models.Index(fields=["minute"], name="batch_minute")],
                "constraints": [models.UniqueConstraint(fields=("batch", "minute"), name="batch_minute_once")],
            },
        ),
        migrations.CreateModel(
            name="BatchObject",
            fields=[
                ("id", models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                (
                    "batch",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="batch_objects",
                        to="batches.batch",
                    ),
                ),
                ("line", models.PositiveIntegerField()),
                ("custom_id", models.CharField(max_length=512)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("pending", "Pending"),
                            ("succeeded", "Succeeded"),
                            ("failed", "Failed"),
                            ("cancelled", "Cancelled"),
                            ("expired", "Expired"),
                        ],
                        default="pending",
                        max_length=9,
                    ),
                ),
                ("round", models.PositiveSmallIntegerField(default=1)),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("http_status", models.PositiveSmallIntegerField(blank=True, null=True)),
                ("latency_ms", models.PositiveIntegerField(blank=True, null=True)),
                ("input_tokens", models.PositiveIntegerField(blank=True, null=True)),
                ("output_tokens", models.PositiveIntegerField(blank=True, null=True)),
                ("cached_tokens", models.PositiveIntegerField(blank=True, null=True)),
                ("reasoning_tokens", models.PositiveIntegerField(blank=True, null=True)),
                (
                    "cost_nanos",
                    models.PositiveBigIntegerField(blank=True, help_text="In billionths of the portal's currency.", null=True),
                ),
                ("kind", models.CharField(blank=True, db_default="", help_text="Of failure.", max_length=32)),
                ("retry_after", models.FloatField(blank=True, help_text="Seconds the upstream asked to wait.", null=True)),
                ("request_id", models.CharField(blank=True, help_text="The upstream's id of the request.", max_length=200)),
                ("settled_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "ordering": ["batch", "line"],
                "indexes": [models.Index(fields=["custom_id"], name="object_custom_id")],
                "constraints": [
                    models.UniqueConstraint(fields=("batch", "line"), name="object_line_once"),
                    models.UniqueConstraint(fields=("batch", "custom_id"), name="object_custom_id_once"),
                    models.CheckConstraint(
                        condition=models.Q(("status__in", ["pending", "succeeded", "failed", "cancelled", "expired"])),
                        name="object_status_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("settled_at", None), ("status", "pending")),
                            models.Q(models.Q(("status", "pending"), _negated=True), ("settled_at__isnull", False)),
                            _connector="OR",
                        ),
                        name="object_settled_iff_not_pending",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="BatchResult",
            fields=[
                ("id", models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                (
                    "batch",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="results",
                        to="batches.batch",
                    ),
                ),
                ("line", models.PositiveIntegerField()),
                ("round", models.PositiveSmallIntegerField()),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("pending", "Pending"),
                            ("succeeded", "Succeeded"),
                            ("failed", "Failed"),
                            ("cancelled", "Cancelled"),
                            ("expired", "Expired"),
                        ],
                        max_length=9,
                    ),
                ),
                ("attempts", models.PositiveSmallIntegerField()),
                ("http_status", models.PositiveSmallIntegerField(blank=True, null=True)),
                ("latency_ms", models.PositiveIntegerField(blank=True, null=True)),
                ("input_tokens", models.PositiveIntegerField(blank=True, null=True)),
                ("output_tokens", models.PositiveIntegerField(blank=True, null=True)),
                ("cached_tokens", models.PositiveIntegerField(blank=True, null=True)),
                ("reasoning_tokens", models.PositiveIntegerField(blank=True, null=True)),
                ("cost_nanos", models.PositiveBigIntegerField(blank=True, null=True)),
                ("kind", models.CharField(blank=True, db_default="", max_length=32)),
                ("retry_after", models.FloatField(blank=True, null=True)),
                ("request_id", models.CharField(blank=True, max_length=200)),
                ("error_code", models.CharField(blank=True, max_length=100)),
                ("error_message", models.TextField(blank=True)),
                ("body", models.TextField(blank=True)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["batch", "line", "round"],
                "constraints": [models.UniqueConstraint(fields=("batch", "line", "round"), name="result_once")],
            },
        ),
    ]
