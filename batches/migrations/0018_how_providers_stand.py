"""What is known of a provider's latest calls, and when a batch was begun."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("batches", "0017_audit_log"),
    ]

    operations = [
        migrations.AddField(
            model_name="batch",
            name="begun_at",
            field=models.DateTimeField(blank=True, help_text="When an executor first took up some of its objects.", null=True),
        ),
        migrations.AddField(
            model_name="providerhealth",
            name="answered_at",
            field=models.DateTimeField(blank=True, help_text="When the last answer came, whatever it said.", null=True),
        ),
        migrations.AddField(
            model_name="providerhealth",
            name="breaker_kind",
            field=models.CharField(blank=True, db_default="", default="", help_text="Of the last fault.", max_length=32),
        ),
        migrations.AddField(
            model_name="providerhealth",
            name="failed_in_a_row",
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="providerhealth",
            name="in_flight",
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="providerhealth",
            name="oldest_sent_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="providerhealth",
            name="recent_calls",
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="providerhealth",
            name="recent_refused",
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="providerhealth",
            name="recent_succeeded",
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="providerhealth",
            name="recent_unanswered",
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
    ]
