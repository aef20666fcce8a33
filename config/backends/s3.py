"""The options of the file storage on S3. Only a portal with S3_BUCKET imports this module: it needs the extra `s3`."""

from typing import Any

from boto3.s3.transfer import TransferConfig
from botocore.config import Config

CONNECT_SECONDS = 5  # a thread of the web server, or a lease, waits meanwhile
READ_SECONDS = 30
ATTEMPTS = 3  # a connection that broke while it was idle fails at its next use; another attempt makes a new one


def options(*, bucket: str, endpoint_url: str | None) -> dict[str, Any]:
    """The OPTIONS of django-storages' S3Storage."""
    return {
        "bucket_name": bucket,
        "endpoint_url": endpoint_url,
        "file_overwrite": False,
        "max_memory_size": 1024**2,  # a larger file is put on disk while it is read
        "client_config": Config(
            signature_version="s3v4",
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            tcp_keepalive=True,
        ),
        "transfer_config": TransferConfig(use_threads=False),  # threads would hold ten parts of 8 MB in memory at once
    }
