"""Events name the bulk operation that they are a part of, and the health of a provider says since when it is down."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("batches", "0013_limits_by_project"),
    ]

    operations = [
        migrations.AddField(
            model_name="event",
            name="operation",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="batches.bulkoperation",
            ),
        ),
        migrations.AddField(
            model_name="providerhealth",
            name="down_since",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AlterField(
            model_name="bulkoperation",
            name="act",
            field=models.CharField(
                choices=[
                    ("cancel", "Cancel"),
                    ("pause", "Pause"),
                    ("resume", "Resume"),
                    ("retry", "retry failed"),
                    ("reprioritise", "Reprioritise"),
                    ("reroute", "move"),
                ],
                max_length=16,
            ),
        ),
    ]
