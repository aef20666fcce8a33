"""Deliveries of webhooks as a kind of retention, and repeated calls that make something else than a batch."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("batches", "0026_notices"),
    ]

    operations = [
        migrations.AddField(
            model_name="idempotencyrecord",
            name="made_id",
            field=models.UUIDField(help_text="What the call made, if it is no batch.", null=True),
        ),
        migrations.AlterField(
            model_name="retentionpolicy",
            name="kind",
            field=models.CharField(
                choices=[
                    ("bodies", "Requests and answers"),
                    ("files", "Uploaded files"),
                    ("results", "Results"),
                    ("batches", "Batches"),
                    ("events", "Timelines"),
                    ("audit", "Audit entries"),
                    ("uploads", "Records of uploads"),
                    ("deliveries", "Webhook deliveries"),
                ],
                max_length=10,
            ),
        ),
    ]
