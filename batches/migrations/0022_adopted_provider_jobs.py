"""Which job at the provider was adopted, which were ruled out, and when the end was seen. New columns are empty or 0."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("batches", "0021_index_of_delegated_slices"),
    ]

    operations = [
        migrations.AddField(
            model_name="providerjob",
            name="ruled_out",
            field=models.JSONField(
                blank=True, help_text="Ids of jobs at the provider that are not this one any more.", null=True
            ),
        ),
        migrations.AddField(
            model_name="providerjob",
            name="uploads",
            field=models.PositiveIntegerField(db_default=0, default=0, help_text="Begun uploads of its input."),
        ),
        migrations.AddField(
            model_name="providerjob",
            name="collecting_at",
            field=models.DateTimeField(blank=True, help_text="When its end at the provider was first seen.", null=True),
        ),
        migrations.AddField(
            model_name="providerjob",
            name="adopted_at",
            field=models.DateTimeField(
                blank=True, help_text="When it was found, without the answer of a create call.", null=True
            ),
        ),
    ]
