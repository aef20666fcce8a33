"""versions: what a bucket with versioning keeps of bytes that were deleted."""

import logging
from typing import Any

from django.core.files.storage import default_storage

logger = logging.getLogger(__name__)


def delete_versions(name: str) -> str:
    """Delete every version of deleted bytes, as nobody may read them again. Why some may be left, in a sentence; else empty.

    A folder keeps no versions. A bucket without versioning has none, and is asked all the same.
    """
    bucket: Any = getattr(default_storage, "bucket", None)
    if bucket is None:
        return ""
    try:
        for version in bucket.object_versions.filter(Prefix=name):
            if version.object_key == name:  # others only begin alike
                version.delete()
    except Exception as error:  # of any kind: the bucket may forbid it, or may not know versions
        logger.exception("the versions of %s could not be deleted", name)
        return f"Versions that the bucket may keep of {name} ({type(error).__name__})."
    return ""
