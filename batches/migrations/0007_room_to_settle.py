"""Pages of objects are half filled, so that PostgreSQL has room to settle each object beside its first version.

An update that finds room in its page touches no index. Only the storage parameter changes: no row is rewritten, and
readers and writers go on. Pages that are full already stay full.
"""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

PERCENT = 50


def leave_room(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    _execute(apps, editor, f"SET (fillfactor = {PERCENT})")


def fill_pages(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    _execute(apps, editor, "RESET (fillfactor)")


def _execute(apps: Apps, editor: BaseDatabaseSchemaEditor, change: str) -> None:
    if editor.connection.vendor == "postgresql":
        table = apps.get_model("batches", "BatchObject")._meta.db_table
        editor.execute(f"ALTER TABLE {editor.quote_name(table)} {change}")


class Migration(migrations.Migration):
    dependencies = [("batches", "0006_other_tokens")]
    operations = [migrations.RunPython(leave_room, fill_pages)]
