"""Deliveries of webhooks as a kind of retention. The database does not change."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("batches", "0025_indexes_of_retention"),
    ]

    operations = [
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
