"""progress: what an erasure has done so far, in its row, so that a killed one goes on and its receipt stays true."""

from collections.abc import Iterable
from time import monotonic
from uuid import UUID

from django.conf import settings
from django.db.models import F
from django.utils import timezone

from batches.models import Erasure, File
from batches.rules.errors import LostRace
from batches.services.core.lease import lease_end

MOST_LEFT = 200  # how many sentences about what could not be erased a receipt has


class Progress:
    """The row of an erasure that this worker has leased. Every write renews the lease, or raises LostRace if it is lost."""

    def __init__(self, erasure: Erasure) -> None:
        self.erasure = erasure
        self._held_at = monotonic()

    def count(self, place: str, number: int) -> None:
        """Count what was erased in a place. Must be called in the transaction that erases it."""
        if number:
            self.erasure.erased[place] = self.erasure.erased.get(place, 0) + number
            self._save(erased=self.erasure.erased)

    def leave(self, sentence: str) -> None:
        """Say what could not be erased, once."""
        if sentence not in self.erasure.left and len(self.erasure.left) < MOST_LEFT:
            self.erasure.left.append(sentence)
            self._save(left=self.erasure.left)

    def name_batches(self, batches: Iterable[UUID]) -> list[UUID]:
        """Keep the ids of batches that have the value: once their rows are erased, nothing else tells. All of them so far."""
        known = dict.fromkeys([*self.erasure.batches, *map(str, batches)])
        if len(known) > len(self.erasure.batches):
            self.erasure.batches = list(known)
            self._save(batches=self.erasure.batches)
        return [UUID(key) for key in known]

    def reached(self, file: File) -> None:
        """Note that a file was searched."""
        self.erasure.file_id_done = file.pk
        self._save(file_id_done=file.pk)

    def begin_files(self) -> None:
        """Search all files anew."""
        self.erasure.file_id_done = None
        self._save(file_id_done=None)

    def note_replaced(self, name: str) -> None:
        """Note, before bytes are replaced, the name of the old ones."""
        if name not in self.erasure.replaced:
            self.erasure.replaced.append(name)
            self._save(replaced=self.erasure.replaced)

    def forget_replaced(self, name: str) -> None:
        """Note that replaced bytes are deleted."""
        self.erasure.replaced.remove(name)
        self._save(replaced=self.erasure.replaced)

    def tick(self) -> None:
        """Renew the lease from time to time, because a file may take longer than a lease."""
        if monotonic() > self._held_at + settings.LEASE_SECONDS / 5:
            self._save(lease_epoch=F("lease_epoch"))

    def _save(self, **changes: object) -> None:
        mine = Erasure.objects.filter(pk=self.erasure.pk, lease_epoch=self.erasure.lease_epoch, ended_at=None)
        if not mine.update(lease_expires_at=lease_end(timezone.now()), **changes):
            raise LostRace
        self._held_at = monotonic()
