"""Roads: an executor's ways to its providers. A road has a lane for each project."""

import math
import time
import uuid
from collections.abc import Iterator, Mapping

from django.conf import settings

from batches.engine.executor.lanes.lane import Lane
from batches.engine.executor.lanes.upstreams import Demand, Granted, Need, Opened, caps_of
from batches.engine.limits.asks import Ask, Calls, Caps
from batches.models.provider_health import model_key
from providers.base import Adapter
from providers.models import ProviderModel

ASK_SECONDS = 0.5  # how often the limiter is asked when no lane is urgent
EMPTY_SECONDS = 60.0  # a lane that is not in use is removed after this long


class Road:
    """The way to one provider. Each project has a lane of its own, so that projects do not block each other."""

    def __init__(self, opened: Opened) -> None:
        assert opened.adapter is not None
        self.adapter: Adapter = opened.adapter
        self.held_models = opened.held_models
        self._lanes: dict[uuid.UUID, Lane] = {}
        self._asked_at = -math.inf
        self._has_asked = False  # whether the last ask to the limiter had a bid
        self.update(opened)

    def __iter__(self) -> Iterator[Lane]:
        return iter(self._lanes.values())

    def update(self, opened: Opened) -> None:
        """Take over the limits and prices that an operator has set."""
        self.caps: Caps = opened.caps
        self.models: Mapping[str, ProviderModel] = opened.models
        for lane in self:
            lane.update_caps()

    def caps_of_model(self, name: str) -> Caps:
        return caps_of(self.models[name]) if name in self.models else Caps()

    def key_of(self, model: str) -> str:
        """The name of a model outside this executor: a digest, unless an operator has configured the model."""
        return model if model in self.models else model_key(model)

    def lane(self, project_id: uuid.UUID) -> Lane:
        """The lane of a project; a new one if it has none."""
        lane = self._lanes.get(project_id)
        if lane is None:
            lane = self._lanes[project_id] = Lane(self)
        return lane

    def lanes(self) -> Iterator[tuple[uuid.UUID, Lane]]:
        """The lanes, with their projects."""
        return iter(list(self._lanes.items()))

    # --- The limiter -----------------------------------------------------------------------------------------

    def demand(self, *, now: float, since: float | None = None) -> Demand:
        """The demand for a turn. It has an ask if a lane could send more than it may, and else every ASK_SECONDS.

        `since` is when the oldest request in flight was sent, in seconds since 1970.
        """
        self._remove_empty(now=now)
        busy = {project_id.hex: lane for project_id, lane in self._lanes.items() if lane.is_busy}
        needs = {project: Need(lane.in_flight, lane.wanted, lane.share) for project, lane in busy.items()}
        is_due = now - self._asked_at > ASK_SECONDS and (busy or self._has_asked)
        calls = Calls() if since is None else Calls(sum(lane.in_flight for lane in self), max(time.time() - since, 0.0))
        if not is_due and not any(lane.is_urgent for lane in busy.values()):
            return Demand(needs, calls=calls)
        self._asked_at, self._has_asked = now, bool(busy)
        bids = {project: lane.bid(now=now) for project, lane in busy.items()}
        return Demand(needs, Ask(bids, settings.EXECUTOR_CONCURRENCY), calls)

    def _remove_empty(self, *, now: float) -> None:
        for project_id, lane in list(self._lanes.items()):
            if lane.is_busy:
                lane.used_at = now
            elif now - lane.used_at > EMPTY_SECONDS:
                del self._lanes[project_id]

    def report_again(self, ask: Ask) -> None:
        """Repeat the reports and returned permits of an ask that the limiter did not hear in the next ask."""
        for project, bid in ask.bids.items():
            self.lane(uuid.UUID(project)).report_again(bid)

    def grant(self, granted: Granted, *, now: float) -> None:
        """Hand the awards of the limiter to the lanes."""
        for project, award in granted.grant.awards.items():
            self.lane(uuid.UUID(project)).grant(award, asked_at=granted.asked_at, valid=granted.grant.valid, now=now)
