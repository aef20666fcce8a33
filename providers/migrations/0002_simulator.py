"""A fresh portal can run a batch at once: the built-in simulator is its first provider."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def add_simulator(apps: Apps, _: BaseDatabaseSchemaEditor) -> None:
    provider = apps.get_model("providers", "Provider")
    provider.objects.get_or_create(name="simulator", defaults={"adapter": "simulator"})


class Migration(migrations.Migration):
    dependencies = [("providers", "0001_initial")]
    operations = [migrations.RunPython(add_simulator, migrations.RunPython.noop)]
