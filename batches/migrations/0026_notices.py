"""Subscriptions of people to events, and the notices that they get. Only new tables."""

import django.db.models.deletion
import uuid_utils.compat
from django.conf import settings
from django.db import migrations, models

import batches.models.subscription


class Migration(migrations.Migration):
    dependencies = [
        ("batches", "0025_indexes_of_retention"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Subscription",
            fields=[
                ("lease_owner", models.UUIDField(blank=True, editable=False, null=True)),
                ("lease_epoch", models.PositiveIntegerField(default=0, editable=False)),
                ("lease_expires_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("id", models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ("channel", models.CharField(choices=[("email", "E-mail"), ("chat", "Chat webhook")], max_length=5)),
                ("chat_url_encrypted", models.BinaryField(blank=True, default=b"")),
                ("chat_host", models.CharField(blank=True, default="", editable=False, max_length=255)),
                ("event_types", models.JSONField(default=batches.models.subscription.usual_types)),
                ("every_project", models.BooleanField(default=True, help_text="All that the person sees, also those to come.")),
                (
                    "frequency",
                    models.CharField(
                        choices=[("at_once", "At once"), ("hourly", "Once an hour"), ("daily", "Once a day")],
                        default="at_once",
                        max_length=7,
                    ),
                ),
                ("enabled", models.BooleanField(default=True)),
                ("disabled_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("disabled_reason", models.CharField(blank=True, default="", editable=False, max_length=500)),
                ("failing_since", models.DateTimeField(blank=True, editable=False, null=True)),
                ("failure", models.CharField(blank=True, default="", editable=False, max_length=500)),
                ("parcel", models.UUIDField(blank=True, editable=False, null=True)),
                ("parcel_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("attempts", models.PositiveIntegerField(default=0, editable=False, help_text="To send the parcel.")),
                ("next_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("tried_at", models.DateTimeField(blank=True, editable=False, null=True)),
                (
                    "told_at",
                    models.DateTimeField(blank=True, editable=False, help_text="The last message that arrived.", null=True),
                ),
                ("created_at", models.DateTimeField(editable=False)),
                ("updated_at", models.DateTimeField(editable=False)),
                (
                    "owner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="subscriptions", to=settings.AUTH_USER_MODEL
                    ),
                ),
                ("projects", models.ManyToManyField(blank=True, related_name="+", to="batches.project")),
            ],
            options={
                "ordering": ["created_at", "id"],
            },
        ),
        migrations.CreateModel(
            name="Notice",
            fields=[
                ("id", models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ("type", models.CharField(max_length=40)),
                ("reason", models.CharField(blank=True, default="", help_text="Why the batch needs attention.", max_length=20)),
                ("due_at", models.DateTimeField(blank=True, null=True)),
                ("parcel", models.UUIDField(blank=True, null=True)),
                ("created_at", models.DateTimeField()),
                ("told_at", models.DateTimeField(blank=True, null=True)),
                (
                    "batch",
                    models.ForeignKey(
                        blank=True,
                        help_text="None: a test.",
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="notices",
                        to="batches.batch",
                    ),
                ),
                (
                    "subscription",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="notices",
                        to="batches.subscription",
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at", "-id"],
            },
        ),
        migrations.AddConstraint(
            model_name="subscription",
            constraint=models.CheckConstraint(
                condition=models.Q(("channel__in", ["email", "chat"])), name="subscription_channel_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="subscription",
            constraint=models.CheckConstraint(
                condition=models.Q(("frequency__in", ["at_once", "hourly", "daily"])), name="subscription_frequency_known"
            ),
        ),
        migrations.AddIndex(
            model_name="notice",
            index=models.Index(
                condition=models.Q(("due_at__isnull", False)), fields=["subscription", "due_at"], name="notice_next"
            ),
        ),
        migrations.AddIndex(
            model_name="notice",
            index=models.Index(fields=["subscription", "-created_at", "-id"], name="notice_list"),
        ),
        migrations.AddIndex(
            model_name="notice",
            index=models.Index(fields=["created_at"], name="notice_age"),
        ),
        migrations.AddConstraint(
            model_name="notice",
            constraint=models.CheckConstraint(
                condition=models.Q(("told_at", None), ("due_at", None), _connector="OR"), name="notice_due_until_told"
            ),
        ),
    ]
