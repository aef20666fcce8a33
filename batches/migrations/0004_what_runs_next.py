from django.db import migrations, models


class Migration(migrations.Migration):
    """What the order of batches is chosen by: who is at risk, and what is leased."""

    dependencies = [
        ("batches", "0003_quota_indexes_and_acknowledgements"),
    ]

    operations = [
        migrations.AddField(
            model_name="batch",
            name="at_risk_since",
            field=models.DateTimeField(blank=True, help_text="Since when its pace does not meet its deadline.", null=True),
        ),
        migrations.AddIndex(
            model_name="slice",
            index=models.Index(
                condition=models.Q(("lease_owner__isnull", False)),
                fields=["batch"],
                name="slice_leased",
            ),
        ),
    ]
