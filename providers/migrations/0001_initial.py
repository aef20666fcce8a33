import django.core.validators
import django.db.models.deletion
import uuid_utils.compat
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Provider",
            fields=[
                (
                    "max_error_rate",
                    models.FloatField(
                        blank=True,
                        help_text="Share of failed objects, from 0 to 1, above which a batch is paused.",
                        null=True,
                        validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(1)],
                    ),
                ),
                (
                    "error_sample",
                    models.PositiveIntegerField(
                        blank=True, help_text="How many objects must have settled before the error rate counts.", null=True
                    ),
                ),
                (
                    "max_cost",
                    models.DecimalField(
                        blank=True, decimal_places=6, help_text="Cost above which a batch is paused.", max_digits=14, null=True
                    ),
                ),
                (
                    "max_tokens",
                    models.PositiveBigIntegerField(
                        blank=True, help_text="Input and output tokens together, above which a batch is paused.", null=True
                    ),
                ),
                ("id", models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ("name", models.SlugField(max_length=64, unique=True)),
                ("adapter", models.CharField(max_length=32)),
                ("base_url", models.CharField(blank=True, max_length=500)),
                ("credential_encrypted", models.BinaryField(blank=True, default=b"")),
                ("credential_env", models.CharField(blank=True, max_length=128)),
                ("options", models.JSONField(blank=True, default=dict)),
                (
                    "max_concurrency",
                    models.PositiveIntegerField(
                        default=256,
                        help_text="Requests in flight over all workers together.",
                        validators=[django.core.validators.MinValueValidator(1)],
                    ),
                ),
                (
                    "requests_per_minute",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="In any 60 seconds, over all workers together.",
                        null=True,
                        validators=[django.core.validators.MinValueValidator(1)],
                    ),
                ),
                (
                    "tokens_per_minute",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="In any 60 seconds, over all workers together.",
                        null=True,
                        validators=[django.core.validators.MinValueValidator(1)],
                    ),
                ),
                ("enabled", models.BooleanField(default=True)),
                ("is_default", models.BooleanField(default=False, help_text="Used where nothing names a provider.")),
                (
                    "granted_to_all",
                    models.BooleanField(default=True, help_text="Every project may use it; else only those it is granted to."),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
            ],
            options={
                "ordering": ["name"],
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("max_concurrency__gte", 1)), name="provider_concurrency_positive"),
                    models.CheckConstraint(
                        condition=models.Q(("credential_env", ""), ("credential_encrypted", b""), _connector="OR"),
                        name="provider_one_credential",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ProviderModel",
            fields=[
                ("id", models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ("name", models.CharField(help_text="As requests name it.", max_length=200)),
                (
                    "max_concurrency",
                    models.PositiveIntegerField(blank=True, null=True, validators=[django.core.validators.MinValueValidator(1)]),
                ),
                (
                    "requests_per_minute",
                    models.PositiveIntegerField(blank=True, null=True, validators=[django.core.validators.MinValueValidator(1)]),
                ),
                (
                    "tokens_per_minute",
                    models.PositiveIntegerField(blank=True, null=True, validators=[django.core.validators.MinValueValidator(1)]),
                ),
                (
                    "input_price",
                    models.DecimalField(
                        blank=True,
                        decimal_places=6,
                        max_digits=12,
                        null=True,
                        validators=[django.core.validators.MinValueValidator(0)],
                    ),
                ),
                (
                    "cached_price",
                    models.DecimalField(
                        blank=True,
                        decimal_places=6,
                        help_text="Of input tokens that came from the upstream's cache; empty: as any other.",
                        max_digits=12,
                        null=True,
                        validators=[django.core.validators.MinValueValidator(0)],
                    ),
                ),
                (
                    "output_price",
                    models.DecimalField(
                        blank=True,
                        decimal_places=6,
                        max_digits=12,
                        null=True,
                        validators=[django.core.validators.MinValueValidator(0)],
                    ),
                ),
                (
                    "provider",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="models", to="providers.provider"
                    ),
                ),
            ],
            options={
                "ordering": ["provider", "name"],
                "constraints": [models.UniqueConstraint(fields=("provider", "name"), name="provider_model_once")],
            },
        ),
    ]
