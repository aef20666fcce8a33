"""An executor's appetite: how many more slices it takes up, of which projects at which providers."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping

from django.conf import settings

from batches.engine.executor.lanes.lane import Lane
from batches.engine.executor.slices import HeldSlice
from batches.services.lifecycle import claim

AHEAD_SECONDS = 0.5  # how many objects to hold ready beyond those in flight, as seconds of work at the present rate
FAR_TOO_MUCH = 3  # an executor that holds this many buffers more than its own takes up nothing at all


def appetite(lanes: Mapping[claim.Tenancy, Lane], held: Iterable[HeldSlice]) -> claim.Appetite | None:
    """The slices that fill the free slots, and a few more to stay ahead. None while far too many bytes are held.

    While the buffer is full, the executor takes up slices only of projects of which it holds none: a project that fills the
    buffer must not keep another project out.
    """
    held = list(held)
    sizes: Counter[claim.Tenancy] = Counter()
    for one in held:
        sizes[one.batch.provider_id, one.batch.project_id] += one.size
    room = settings.EXECUTOR_BUFFER_BYTES - sizes.total()
    if room < -FAR_TOO_MUCH * settings.EXECUTOR_BUFFER_BYTES:
        return None
    wanted, full = {}, set()
    for key, lane in sorted(lanes.items(), key=lambda found: sizes[found[0]]):
        wanted[key] = lane.slices_of(lines=_lines_wanted(lane), size=max(room, 0))
        room -= wanted[key] * lane.usual_slice[1]
        if lane.shut_since or (key in sizes and (room < 0 or lane.probes_with_what_it_has())):
            full.add(key)
    return claim.Appetite(
        otherwise=math.ceil(settings.EXECUTOR_CONCURRENCY / settings.SLICE_LINES) if room >= 0 else 0,
        wanted=wanted,
        full=frozenset(full),
        held=frozenset(one.batch_id for one in held),
    )


def _lines_wanted(lane: Lane) -> float:
    slots = lane.free_slots if lane.ready else settings.EXECUTOR_CONCURRENCY - lane.in_flight
    return slots + lane.rate * AHEAD_SECONDS - lane.ready - lane.parked
