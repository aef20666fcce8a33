"""The limiter: all limits of one provider, as one state and one pure rule. `keeping` stores the state.

An executor asks at most once a turn, for all of its projects together. The bid of each project reports its answers and says
how much it wants. The project is granted a share of the concurrency and a block of permits, for the provider as a whole ("")
and for each model with limits.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from batches.engine.limits.asks import Ask, Award, Bid, Caps, Condition, Grant, Permit, Want, Why
from batches.engine.limits.breaker import Breaker
from batches.engine.limits.hold import LONGEST_SECONDS, Hold
from batches.engine.limits.permits import UPSTREAM_SAYS, Shut, permit_for, probe_permit
from batches.engine.limits.slots import Claim, grant_slots
from batches.engine.limits.state import WHOLE, ProjectAtProvider, ProjectAtTarget, State, Target
from batches.engine.limits.windows import Window, WindowSize

UNKNOWN_SECONDS = 1.0  # after a lost state nobody gets more concurrency for this long; by then all executors have reported
MOST_TARGETS = 64  # with this many targets, further models get one only if an operator has set limits for them


class Turn(NamedTuple):
    """The ask that is answered: its executor, the time, and the settings."""

    executor: str
    ask: Ask
    now: float
    span: WindowSize
    longest_hold: float


def answer(
    state: State, executor: str, ask: Ask, *, now: float, span: WindowSize, longest_hold: float = LONGEST_SECONDS
) -> Grant:
    """Record an executor's reports, and grant each of its projects its share and permits."""
    turn = Turn(executor, ask, now, span, longest_hold)
    state.seen_at = now
    state.charge(now=now)
    state.tidy(ask.bids, now=now, span=span)
    _leave(state, turn)
    for project, bid in ask.bids.items():
        _welcome(state, project, bid, turn)
    if state.is_new:
        state.orders, state.is_new = ask.orders, False
    for project, bid in ask.bids.items():
        _learn(state, project, bid, turn)
    state.pulse.note(executor, ask.calls, [bid.tally for bid in ask.bids.values()], now=now)
    _hear_of_others(state, turn)
    shut = {project: _shut(state, project, bid, turn) for project, bid in ask.bids.items()}
    parts = {name: _parts(state, name, shut, turn) for name in state.targets}
    awards = {project: _award(state, project, bid, shut[project], parts, turn) for project, bid in ask.bids.items()}
    asked = {name for bid in ask.bids.values() for name in bid.wants} & state.targets.keys()
    conditions = {name: _condition(state.targets[name], _granted(awards, name), now=now) for name in asked}
    return Grant(
        awards,
        conditions,
        _allowed_together(state, ask),
        span.valid,
        state.in_use,
        state.broken(now=now),
        state.pulse.vitals(now=now),
    )


# --- Who is here -------------------------------------------------------------------------------------------------


def _leave(state: State, turn: Turn) -> None:
    """Remove the executor's shares of projects that it does not bid for."""
    for target in state.targets.values():
        for project, at_target in target.projects.items():
            if project not in turn.ask.bids:
                at_target.holding.shares.pop(turn.executor, None)


def _welcome(state: State, project: str, bid: Bid, turn: Turn) -> None:
    """Add a project that is new at this provider. If the provider is in trouble, the project begins with a probe."""
    if project not in state.projects:
        broken = state.broken(now=turn.now)
        state.projects[project] = ProjectAtProvider(
            turn.now, Breaker() if broken is None else Breaker.of_newcomer(broken, now=turn.now)
        )
    if bid.tally.answers or bid.wants[WHOLE].in_flight or bid.wants[WHOLE].wanted:
        state.projects[project].heard_at = turn.now
    for name, want in bid.wants.items():
        target = _target(state, name, want.caps, turn)
        if target is not None and project not in target.projects:
            is_first = state.is_new and name == WHOLE
            held = turn.ask.held if is_first else target.held(now=turn.now)
            orders = turn.ask.orders if state.is_new else state.orders
            target.projects[project] = ProjectAtTarget(hold=Hold.of_newcomer(held, orders, now=turn.now))


def _target(state: State, name: str, caps: Caps, turn: Turn) -> Target | None:
    """The target of this name; a new one if there is none. None if there are too many.

    A new target after a lost state has full windows, because nobody knows how much was granted before.
    """
    target = state.targets.get(name)
    if target is None:
        if caps == Caps() and len(state.targets) >= MOST_TARGETS:
            return None
        target = state.targets[name] = Target(turn.now)
        if state.unknown_before and turn.now < state.begun_at + turn.span.seconds:
            if caps.requests is not None:
                target.requests = Window.of_unknown_past(limit=caps.requests, now=state.begun_at, span=turn.span)
            if caps.tokens is not None:
                target.tokens = Window.of_unknown_past(limit=caps.tokens, now=state.begun_at, span=turn.span)
    return target


# --- What came back ----------------------------------------------------------------------------------------------


def _learn(state: State, project: str, bid: Bid, turn: Turn) -> None:
    """Record the report in a project's bid."""
    at_provider, tally, now = state.projects[project], bid.tally, turn.now
    for name, want in bid.wants.items():
        if (target := state.targets.get(name)) is None:
            continue
        for cell, requests, tokens in want.returned:
            target.requests.give_back(cell, requests)
            target.tokens.give_back(cell, tokens)
        at_target = target.projects[project]
        if want.held_for:
            at_target.held_until = max(at_target.held_until, now + want.held_for)
        at_target.hold.note(turn.executor, want.seen, longest=turn.longest_hold, now=now)
    at_provider.breaker.note(turn.executor, lived=tally.lived, failures=tally.failures, kind=tally.kind, now=now)
    at_provider.adaptive.note(
        answers=tally.answers,
        turned_away=tally.turned_away,
        drained=any(want.held_for for want in bid.wants.values()),
        limit=bid.wants[WHOLE].caps.concurrency or 1,
        now=now,
    )


def _hear_of_others(state: State, turn: Turn) -> None:
    """Tell every project's breaker and holds about the other projects' answers, and carry out the orders of operators."""
    in_trouble = state.is_broken
    for at_provider in state.projects.values():
        at_provider.breaker.hear_of_others(in_trouble=in_trouble, now=turn.now)
    if turn.ask.orders.is_news(after=state.orders):
        state.orders = state.orders.latest(turn.ask.orders)
        for at_provider in state.projects.values():
            at_provider.breaker.try_now(now=turn.now)
    for target in state.targets.values():
        for project, at_target in target.projects.items():
            if at_target.hold.held:
                others = (other.hold.worked_at for name, other in target.projects.items() if name != project)
                at_target.hold.hear_of_others(worked_at=max(others, default=float("-inf")), now=turn.now)
            at_target.hold.carry_out(state.orders, now=turn.now)  # an order comes after the answers that it is about


# --- What may be sent --------------------------------------------------------------------------------------------


def _shut(state: State, project: str, bid: Bid, turn: Turn) -> dict[str, Shut]:
    """The provider and models that a project's breaker and holds have shut. With the provider its models are shut, too."""
    now, whole = turn.now, bid.wants[WHOLE]
    breaker, hold = state.projects[project].breaker, state.targets[WHOLE].projects[project].hold
    if (broken := breaker.snapshot(now=now)) is not None:
        probes = whole.wanted > 0 and breaker.lets_probe(turn.executor, in_flight=whole.in_flight, now=now)
        nothing = Permit(0, 0, None, shut_for=broken.open_for, reason=broken.reason, why=Why.BREAKER, held=hold.snapshot(now=now))
        return dict.fromkeys(bid.wants, Shut(nothing, probes))
    if (shut := _held(hold, whole, turn)) is not None:
        return dict.fromkeys(bid.wants, shut)
    holds = {name: target.projects[project].hold for name in bid.wants if name and (target := state.targets.get(name))}
    return {name: shut for name, hold in holds.items() if (shut := _held(hold, bid.wants[name], turn))}


def _held(hold: Hold, want: Want, turn: Turn) -> Shut | None:
    held = hold.snapshot(now=turn.now)
    if held is None:
        return None
    probes = want.wanted > 0 and hold.lets_probe(turn.executor, in_flight=want.in_flight, now=turn.now)
    return Shut(Permit(0, 0, None, shut_for=held.probe_in, reason=held.reason, why=Why.HOLD, held=held), probes)


def _parts(state: State, name: str, shut: Mapping[str, Mapping[str, Shut]], turn: Turn) -> dict[str, int]:
    """How many requests each project may have in flight to a provider or model; empty if there is no such limit."""
    target, ask = state.targets[name], turn.ask
    wants = {project: bid.wants[name] for project, bid in ask.bids.items() if name in bid.wants}
    limit = next((want.caps.concurrency for want in wants.values()), None)
    if limit is None:
        return {}
    is_unknown = state.unknown_before and turn.now < state.begun_at + UNKNOWN_SECONDS
    claims = {}
    for project, want in wants.items():
        most = limit if name else state.allowed(project, limit=limit)
        closed = shut[project].get(name)
        claims[project] = _claim(want, closed, target.projects[project], most=most, is_unknown=is_unknown)
    return grant_slots(
        {project: at_target.holding for project, at_target in target.projects.items()},
        turn.executor,
        claims,
        limit=limit,
        capacity=limit if name else ask.capacity,
        projects=ask.projects,
        now=turn.now,
    )


def _claim(want: Want, shut: Shut | None, at_target: ProjectAtTarget, *, most: int, is_unknown: bool) -> Claim:
    """An executor's claim to slots. For a probe it is one more than are in flight."""
    if shut is None:
        return Claim(want.in_flight, min(want.wanted, want.in_flight) if is_unknown else want.wanted, most)
    if not shut.probes:
        return Claim(want.in_flight, 0, 0)
    others = sum(share.used for share in at_target.holding.shares.values())
    return Claim(want.in_flight, want.in_flight + 1, others + want.in_flight + 1)


def _award(
    state: State, project: str, bid: Bid, shut: Mapping[str, Shut], parts: Mapping[str, Mapping[str, int]], turn: Turn
) -> Award:
    permits = {}
    for name, want in bid.wants.items():
        target = state.targets.get(name)
        part = parts.get(name, {}).get(project)
        if target is None:
            permits[name] = Permit(None, None, None)
        elif (closed := shut.get(name)) is None:
            permits[name] = permit_for(target, project, want, part, now=turn.now, span=turn.span)
        else:
            permits[name] = probe_permit(target, project, want, part, closed, now=turn.now, span=turn.span)
    hold = state.targets[WHOLE].projects[project].hold
    worked_at = max(at_target.hold.worked_at for at_target in state.targets[WHOLE].projects.values())
    return Award(
        permits,
        state.projects[project].breaker.snapshot(now=turn.now),
        worked_for=turn.now - worked_at,
        lifted_for=turn.now - hold.lifted_at,
        excused_for=turn.now - hold.excused_at,
    )


# --- What everybody may see --------------------------------------------------------------------------------------


def _granted(awards: Mapping[str, Award], name: str) -> list[Permit]:
    return [award.permits[name] for award in awards.values() if name in award.permits]


def _condition(target: Target, permits: Iterable[Permit], *, now: float) -> Condition:
    """The condition of a provider or model itself. It leaves out whatever holds back single projects only."""
    limited = next((permit for permit in permits if permit.why is Why.LIMIT), None)
    held, exhausted_for = target.held(now=now), target.exhausted_for(now=now)
    if held is not None:
        return Condition(held, held.probe_in, held.reason)
    if limited is not None:
        return Condition(None, limited.shut_for, limited.reason)
    return Condition(None, exhausted_for, UPSTREAM_SAYS if exhausted_for else "")


def _allowed_together(state: State, ask: Ask) -> int:
    """How many requests the projects with shares may have in flight together."""
    limit = next((bid.wants[WHOLE].caps.concurrency or 1 for bid in ask.bids.values()), 1)
    here = (
        [project for project, at_target in state.targets[WHOLE].projects.items() if at_target.holding.shares] if ask.bids else []
    )
    return min(sum(state.allowed(project, limit=limit) for project in here), limit) if here else limit
