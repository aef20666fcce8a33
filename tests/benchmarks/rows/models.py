"""Its one table."""

from typing import ClassVar

from django.db import models


class Answer(models.Model):
    """What came of one request."""

    objects: ClassVar[models.Manager["Answer"]]

    custom_id = models.CharField(max_length=64, unique=True)
    status = models.PositiveSmallIntegerField()
    body = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.custom_id
