"""The wish of a batch's maker for its execution, which another batch like it keeps."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("batches", "0021_index_of_delegated_slices"),
    ]

    operations = [
        migrations.AddField(
            model_name="batch",
            name="execution_asked",
            field=models.CharField(blank=True, db_default="", default="", help_text="The wish of its maker.", max_length=9),
        ),
    ]
