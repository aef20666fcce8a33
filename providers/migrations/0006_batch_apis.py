"""The batch APIs of providers, and the price of batches."""

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("providers", "0005_standby"),
    ]

    operations = [
        migrations.AddField(
            model_name="provider",
            name="execution",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="Of its batches, if neither they nor their project say: direct, delegated, hybrid or auto.",
                max_length=9,
            ),
        ),
        migrations.AddField(
            model_name="provider",
            name="jobs_family",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="The kind of its own batch API; empty if it has none.",
                max_length=32,
            ),
        ),
        migrations.AddField(
            model_name="provider",
            name="max_open_jobs",
            field=models.PositiveIntegerField(
                db_default=100,
                default=100,
                help_text="Jobs at its batch API at one time.",
                validators=[django.core.validators.MinValueValidator(1)],
            ),
        ),
        migrations.AddField(
            model_name="providermodel",
            name="batch_factor",
            field=models.DecimalField(
                blank=True,
                decimal_places=4,
                help_text="The share of these prices that the provider's batch API charges; empty: as its kind usually does.",
                max_digits=5,
                null=True,
                validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(1)],
            ),
        ),
    ]
