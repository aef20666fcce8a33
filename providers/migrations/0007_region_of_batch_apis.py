"""Where the batch APIs of providers keep what they get."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("providers", "0006_batch_apis"),
    ]

    operations = [
        migrations.AddField(
            model_name="provider",
            name="jobs_region",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="Where its batch API keeps requests and results, in words for people who allow that, such as "
                "EU (Frankfurt).",
                max_length=200,
            ),
        ),
    ]
