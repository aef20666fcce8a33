"""manage.py version: which release of Batchyard this is, and what it runs on."""

import platform

import django
from django.conf import settings
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Print the version of Batchyard, and those of Django and Python beneath it."
    requires_system_checks = ()  # a portal that is not set up yet has a version, too

    def handle(self, *_args: object, **_options: object) -> None:
        self.stdout.write(f"Batchyard {settings.VERSION} (Django {django.get_version()}, Python {platform.python_version()})")
