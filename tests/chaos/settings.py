"""The portal's own settings, on a disk that can get full and with a clock that can be moved; see `levers`."""

from django.utils import timezone

from config.settings import *
from tests.chaos.levers import moved

STORAGES["default"] = {"BACKEND": "tests.chaos.levers.Disk"}
_right = timezone.now
timezone.now = lambda: moved(_right())
