"""The database of this portal."""

from django.db import connection

from batches.services.backup.databases.interface import Database
from batches.services.backup.databases.postgresql import Postgresql
from batches.services.backup.databases.sqlite import Sqlite


def database_of_portal() -> Database:
    """The database that the settings name."""
    return Postgresql() if connection.vendor == "postgresql" else Sqlite()
