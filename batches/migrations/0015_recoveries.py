"""Batches and their error groups say how many of their failures succeeded in a retry."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("batches", "0014_outages"),
        ("providers", "0004_secrets_kept_elsewhere"),
    ]

    operations = [
        migrations.AddField(
            model_name="batch",
            name="recovered_cancelled",
            field=models.PositiveIntegerField(db_default=0, default=0, help_text="Cancelled objects, likewise."),
        ),
        migrations.AddField(
            model_name="batch",
            name="recovered_expired",
            field=models.PositiveIntegerField(db_default=0, default=0, help_text="Expired objects, likewise."),
        ),
        migrations.AddField(
            model_name="batch",
            name="recovered_failed",
            field=models.PositiveIntegerField(db_default=0, default=0, help_text="Failed objects that a retry recovered."),
        ),
        migrations.AddField(
            model_name="batch",
            name="recoveries_counted",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Whether the successes of this retry are counted in the batches it retries.",
            ),
        ),
        migrations.AddField(
            model_name="batcherrorgroup",
            name="recovered",
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
    ]
