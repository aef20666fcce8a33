"""What provider jobs may use and cost, so that budgets hold."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("batches", "0021_index_of_delegated_slices"),
    ]

    operations = [
        migrations.AddField(
            model_name="providerjob",
            name="estimated_nanos",
            field=models.PositiveBigIntegerField(blank=True, help_text="That they may cost, as far as is known.", null=True),
        ),
        migrations.AddField(
            model_name="providerjob",
            name="estimated_tokens",
            field=models.PositiveBigIntegerField(blank=True, help_text="That its requests may use.", null=True),
        ),
    ]
