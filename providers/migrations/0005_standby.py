"""A provider may name another one that takes over its running batches when it is down."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("providers", "0004_secrets_kept_elsewhere")]
    operations = [
        migrations.AddField(
            model_name="provider",
            name="standby",
            field=models.ForeignKey(
                blank=True,
                help_text="Takes over running batches when this provider is down for longer than STANDBY_AFTER_SECONDS.",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="stands_by_for",
                to="providers.provider",
            ),
        ),
    ]
