from datetime import timedelta

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import F
from django.utils import timezone


def mark(apps: Apps, _editor: BaseDatabaseSchemaEditor) -> None:
    """Until now a draft was known by its lifetime of one hour. Those that have not expired are few, and found by an index."""
    now = timezone.now()
    waiting = apps.get_model("batches", "File").objects.filter(
        purged_at=None, expires_at__gt=now, expires_at__lte=now + timedelta(hours=1)
    )
    waiting.filter(purpose="batch", created_by_key=None, expires_at=F("created_at") + timedelta(hours=1)).update(is_draft=True)


class Migration(migrations.Migration):
    dependencies = [("batches", "0008_file_drafts_and_removals")]

    operations = [migrations.RunPython(mark, migrations.RunPython.noop)]
