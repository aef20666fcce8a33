"""Permits: how many requests and tokens a project is granted, within its slots and the limits per minute."""

import msgspec

from batches.engine.limits.asks import Permit, Want, Why
from batches.engine.limits.state import Target
from batches.engine.limits.windows import WindowSize

UPSTREAM_SAYS = "the upstream says that its limit is used up"
OTHERS_USE_IT = "other projects use all requests that may be in flight at a time"


class Shut(msgspec.Struct, frozen=True):
    """A provider or model that a breaker or a hold has shut. With `probes` this executor may send one call."""

    permit: Permit
    probes: bool


def probe_permit(
    target: Target, project: str, want: Want, part: int | None, shut: Shut, *, now: float, span: WindowSize
) -> Permit:
    """The permit for one probe, in addition to requests that are in flight. It is for no call if no probe may be sent."""
    if not shut.probes or part == 0:
        return shut.permit
    one = msgspec.structs.replace(want, requests=min(want.requests, 1), tokens=want.least_tokens)
    permit = _windowed(target, project, one, now=now, span=span)
    if permit.reason:
        return msgspec.structs.replace(permit, share=0, held=shut.permit.held)
    share = want.in_flight + 1 if part is None else part
    requests = 1 if permit.requests is None else permit.requests
    return msgspec.structs.replace(shut.permit, share=share, requests=requests, tokens=permit.tokens, cell=permit.cell)


def permit_for(target: Target, project: str, want: Want, part: int | None, *, now: float, span: WindowSize) -> Permit:
    """The permit of a project whose breaker and hold let it send."""
    at_target = target.projects[project]
    if now < at_target.held_until:
        return Permit(part, 0, 0, shut_for=at_target.held_until - now, reason=UPSTREAM_SAYS, why=Why.UPSTREAM)
    permit = _windowed(target, project, want, now=now, span=span)
    if part == 0 and want.wanted and not at_target.holding.used and not permit.reason:
        return msgspec.structs.replace(permit, share=0, reason=OTHERS_USE_IT, why=Why.OTHERS)
    return msgspec.structs.replace(permit, share=part)


def _windowed(target: Target, project: str, want: Want, *, now: float, span: WindowSize) -> Permit:
    """The permits that the limits per minute leave. `requests` is None if only tokens are limited, and the reverse."""
    caps = want.caps
    if not caps.windowed:
        return Permit(None, None, None)
    if not want.requests:
        return Permit(None, 0, 0)
    mine = target.projects[project].drawn
    others = [at_target.drawn for name, at_target in target.projects.items() if name != project]
    windows = [
        (target.requests, caps.requests, want.requests, 1, "requests"),
        (target.tokens, caps.tokens, want.tokens, max(want.least_tokens, 1), "tokens"),
    ]
    granted: dict[str, int] = {}
    part = 0.0
    is_ahead, is_short = mine.is_ahead_of(others, now=now), False
    for window, limit, wanted, least, word in windows:
        if limit is None:
            continue
        granted[word] = 0 if is_ahead else window.grantable(wanted, least=least, limit=limit, now=now, span=span)
        is_short |= granted[word] < wanted
        if not granted[word]:
            mine.thirst(now=now)
            wait = window.opens_in(least, limit=limit, now=now, span=span)
            reason = f"its limit of {limit} {word} per minute is used up"
            return Permit(None, 0, 0, shut_for=wait, reason=reason, why=Why.LIMIT)
    for window, limit, _, _, word in windows:
        if limit is not None:
            window.take(granted[word], now=now, span=span)
            part = max(part, granted[word] / limit)
    mine.take(part, others, now=now)
    if is_short:
        mine.thirst(now=now)
    return Permit(None, granted.get("requests"), granted.get("tokens"), span.cell_at(now))
