"""What holds a batch back has a kind, and a batch a place among those of all projects. Texts of calls are let go of."""

from typing import Any

from django.db import migrations, models


def forget_texts(apps: Any, _schema_editor: Any) -> None:
    """Earlier releases kept here what an upstream had said to one project's calls, for everybody to see."""
    open_ones = apps.get_model("batches", "Batch").objects.filter(ended_at=None)  # the end of a batch empties it
    open_ones.exclude(throttled_reason="").update(throttled_reason="")
    health = apps.get_model("batches", "ProviderHealth").objects
    health.exclude(breaker_reason="", limited_reason="").update(breaker_reason="", limited_reason="")
    named = apps.get_model("providers", "ProviderModel").objects.filter(
        provider=models.OuterRef("provider"), name=models.OuterRef("model")
    )
    health.exclude(model="").exclude(models.Exists(named)).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("batches", "0012_people"),
    ]

    operations = [
        migrations.AddField(
            model_name="batch",
            name="precedence",
            field=models.SmallIntegerField(
                db_default=0,
                default=0,
                help_text="Among the batches of all projects; set by administrators of the portal alone.",
            ),
        ),
        migrations.AddField(
            model_name="batch",
            name="throttled_by",
            field=models.CharField(
                blank=True,
                choices=[
                    ("limit", "a limit of its provider"),
                    ("upstream", "the upstream"),
                    ("breaker", "the circuit breaker"),
                    ("others", "other projects"),
                ],
                db_default="",
                default="",
                max_length=8,
            ),
        ),
        migrations.AlterField(
            model_name="batch",
            name="priority",
            field=models.SmallIntegerField(default=0, help_text="Among the batches of its project."),
        ),
        migrations.AlterField(
            model_name="batch",
            name="throttled_reason",
            field=models.CharField(blank=True, help_text="Kinds and numbers; it quotes no call.", max_length=200),
        ),
        migrations.RunPython(forget_texts, migrations.RunPython.noop),
    ]
