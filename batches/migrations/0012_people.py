"""Roles and flags by claims. The table of sign-in attempts stays for processes of the release before; nothing else uses it."""

import django.db.models.deletion
import uuid_utils.compat
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("batches", "0011_key_scopes_and_emergency_stops"),
    ]

    operations = [
        migrations.CreateModel(
            name="ClaimedFlags",
            fields=[
                (
                    "id",
                    models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False),
                ),
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("is_staff", models.BooleanField(default=False)),
                ("is_superuser", models.BooleanField(default=False)),
            ],
            options={"verbose_name_plural": "claimed flags"},
        ),
        migrations.AddField(
            model_name="membership",
            name="by_claims",
            field=models.BooleanField(
                db_default=False,
                default=False,
                editable=False,
                help_text="The claims of the OIDC provider gave it, and take it away.",
            ),
        ),
        migrations.SeparateDatabaseAndState(state_operations=[migrations.DeleteModel(name="SignInAttempts")]),
    ]
