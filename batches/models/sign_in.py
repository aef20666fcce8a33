"""SignInAttempts: how often somebody tried to sign in lately."""

from django.db import models


class SignInAttempts(models.Model):
    """The attempts under one name from one address since the first of them; gone when one succeeds, or with time.

    `subject` is a digest: what people type for their name may be a password.
    """

    subject = models.CharField(max_length=64, primary_key=True)
    count = models.PositiveIntegerField()
    since = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name_plural = "sign-in attempts"

    def __str__(self) -> str:
        return f"{self.count} since {self.since:%Y-%m-%d %H:%M}"
