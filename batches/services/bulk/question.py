"""Question: which of the chosen batches an act can be done to, and what keeps it from the others."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Case, CharField, Q, Value, When

from batches.models import BulkAct
from batches.models.batch import BatchQuerySet
from batches.rules.states import TERMINAL, BatchStatus
from batches.services.bulk.acts import VERBS, Obstacle, Parameters
from batches.services.core.access import Access, Right

_STATUSES = {
    Obstacle.ENDED: TERMINAL,
    Obstacle.CANCELLING: {BatchStatus.CANCELLING},
    Obstacle.FINALIZING: {BatchStatus.FINALIZING},
    Obstacle.VALIDATING: {BatchStatus.VALIDATING},
}


@dataclass(frozen=True, slots=True)
class Question:
    """The question which batches an act can be done to, by a person at a time."""

    act: BulkAct
    parameters: Parameters
    access: Access
    now: datetime

    def eligible(self, rows: BatchQuerySet) -> BatchQuerySet:
        """The rows to which the act can be done."""
        found = rows.filter(self._permitted, status__in=VERBS[self.act].statuses)
        for condition in self._further().values():
            found = found.exclude(condition)
        return found

    @property
    def obstacle(self) -> Case:
        """The first obstacle of a batch as an SQL expression; an empty text if there is none."""
        cases = (When(condition, then=Value(str(obstacle))) for obstacle, condition in self._all())
        return Case(*cases, default=Value(""), output_field=CharField())

    @property
    def _permitted(self) -> Q:
        return Q() if self.access.everywhere else Q(project__in=self.access.projects(Right.ACT))

    def _further(self) -> dict[Obstacle, Q]:
        return VERBS[self.act].obstacles(self.parameters, self.now)

    def _all(self) -> Iterator[tuple[Obstacle, Q]]:
        if not self.access.everywhere:
            yield Obstacle.NOT_PERMITTED, ~self._permitted
        for obstacle, statuses in _STATUSES.items():
            if impossible := statuses - VERBS[self.act].statuses:
                yield obstacle, Q(status__in=impossible)
        yield from self._further().items()
