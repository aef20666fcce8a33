from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("batches", "0002_limits_guards_and_groups"),
    ]

    operations = [
        migrations.AddField(
            model_name="batch",
            name="acknowledged_failed",
            field=models.PositiveIntegerField(default=0, help_text="How many of those failed."),
        ),
        migrations.AddField(
            model_name="batch",
            name="acknowledged_settled",
            field=models.PositiveIntegerField(default=0, help_text="Objects that settled before it was last resumed."),
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
                ],
                help_text="What was done besides a move.",
                max_length=16,
            ),
        ),
        migrations.AddIndex(
            model_name="file",
            index=models.Index(condition=models.Q(("purged_at", None)), fields=["project", "bytes"], name="file_stored"),
        ),
        migrations.AddIndex(
            model_name="upload",
            index=models.Index(condition=models.Q(("status", "pending")), fields=["project", "bytes"], name="upload_promised"),
        ),
    ]
