"""The hold of a provider as the limiter applies it: what is granted meanwhile, and to which project."""

import math

from batches.engine.limits.asks import Ask, Bid, Caps, Grant, Permit, Want
from batches.engine.limits.hold import FIRST_SECONDS, STRIKES, AccountHeld, Orders, Seen
from batches.engine.limits.limiter import answer
from batches.engine.limits.state import WHOLE, State
from batches.engine.limits.windows import WindowSize
from providers.failures import Kind

QUOTA = Kind.QUOTA.value

GOOD = Seen(worked=True)


def strikes(number: int, *, worked: bool = False) -> Seen:
    return Seen(worked=worked, strikes=number, kind=QUOTA)


# --- In the limiter -----------------------------------------------------------------------------------------------

SPAN = WindowSize(60.0)

ACME, GLOBEX = "acme", "globex"


def ask(state: State, *, now: float, executor: str = "a", seen: Seen | None = None, project: str = ACME, **more: object) -> Grant:
    want = Want(Caps(concurrency=40), wanted=40, seen=seen or Seen())
    model = {"m": Want(Caps(), wanted=40, seen=more.pop("model"))} if "model" in more else {}  # type: ignore[arg-type]
    asked = Ask({project: Bid({WHOLE: want, **model})}, 256, **more)  # type: ignore[arg-type]
    return answer(state, executor, asked, now=now, span=SPAN)


def permits(grant: Grant, project: str = ACME) -> dict[str, Permit]:
    return dict(grant.awards[project].permits)


def begun() -> State:
    return State.begin(now=100.0, quiet=True)


def test_a_held_provider_grants_nothing_and_then_one_call_to_one_executor() -> None:
    state = begun()
    grant = ask(state, now=101.0, seen=strikes(STRIKES), model=Seen())
    assert [(permit.share, permit.requests) for permit in permits(grant).values()] == [(0, 0), (0, 0)]
    assert permits(grant)[WHOLE].held == grant.conditions[WHOLE].held == AccountHeld(Kind.QUOTA, STRIKES, 0.0, FIRST_SECONDS)
    probes = [permits(ask(state, now=106.0, executor=name))[WHOLE] for name in "ab"]
    assert [(permit.share, permit.requests) for permit in probes] == [(1, 1), (0, 0)]
    grant = ask(state, now=106.5, seen=GOOD)
    assert (permits(grant)[WHOLE].share, grant.conditions[WHOLE].held) == (40, None)


def test_a_model_is_held_and_its_provider_goes_on() -> None:
    state = begun()
    grant = ask(state, now=101.0, model=Seen(strikes=STRIKES, kind=Kind.RATE_LIMITED.value))
    assert (permits(grant)["m"].requests, permits(grant)[WHOLE].share) == (0, 40)
    grant = ask(state, now=106.0, model=Seen())
    assert (permits(grant)["m"].requests, permits(grant)[WHOLE].share) == (1, 40)


def test_on_trial_a_few_calls_are_in_flight_until_one_succeeds() -> None:
    state = begun()
    ask(state, now=101.0, seen=strikes(STRIKES))
    assert permits(ask(state, now=102.0, orders=Orders(resume=1.0)))[WHOLE].share == STRIKES
    assert permits(ask(state, now=103.0, seen=GOOD))[WHOLE].share == 40


def test_a_state_that_was_lost_begins_with_the_hold_that_an_executor_knows_of() -> None:
    known = AccountHeld(Kind.AUTHENTICATION, 9, 600.0)
    state = State.begin(now=5.0, quiet=False)
    first = ask(state, now=5.0, held=known)
    assert permits(first)[WHOLE].held == AccountHeld(Kind.AUTHENTICATION, 9, 600.0, 0.0)
    assert permits(first)[WHOLE].requests == 1
    ask(state, now=5.2, seen=GOOD)
    assert permits(ask(state, now=5.4, executor="b", held=known))[WHOLE].held is None, "what others knew is old by then"


def test_an_executor_is_told_how_long_ago_something_worked_and_a_hold_ended() -> None:
    state = begun()
    assert ask(state, now=101.0).awards[ACME].worked_for == math.inf
    ask(state, now=102.0, seen=GOOD)
    ask(state, now=103.0, seen=strikes(STRIKES), executor="b")
    award = ask(state, now=104.0, orders=Orders(resume=1.0)).awards[ACME]
    assert (award.worked_for, award.lifted_for) == (2.0, 0.0)


# --- Among projects -------------------------------------------------------------------------------------------------


def test_one_projects_strikes_hold_nobody_else() -> None:
    state = begun()
    ask(state, now=101.0, project=GLOBEX, seen=GOOD)
    grant = ask(state, now=101.2, seen=strikes(STRIKES))
    assert permits(grant)[WHOLE].held is not None
    assert grant.conditions[WHOLE].held is None, "the provider works"
    assert permits(ask(state, now=101.4, project=GLOBEX), GLOBEX)[WHOLE].share == 40


def test_a_success_of_another_project_ends_a_hold_on_trial_if_it_was_sent_after_the_last_strike() -> None:
    state = begun()
    ask(state, now=101.0, seen=strikes(STRIKES))
    ask(state, now=103.0, project=GLOBEX, seen=Seen(worked=True, worked_ago=5.0))
    assert permits(ask(state, now=103.2))[WHOLE].held is not None, "that call was sent while the account still worked"
    ask(state, now=104.0, project=GLOBEX, seen=Seen(worked=True, worked_ago=0.5))
    grant = ask(state, now=104.2)
    assert (permits(grant)[WHOLE].held, permits(grant)[WHOLE].share) == (None, STRIKES)


def test_a_newcomer_at_a_held_provider_sends_a_probe_at_once() -> None:
    state = begun()
    ask(state, now=101.0, seen=strikes(STRIKES))
    for now in (106.0, 116.0, 136.0, 176.0):
        ask(state, now=now)
        ask(state, now=now + 0.1, seen=strikes(1))
    probe = permits(ask(state, now=177.0, project=GLOBEX), GLOBEX)[WHOLE]
    assert (probe.share, probe.requests) == (1, 1), "the next one of the other project is due in more than a minute"
    ask(state, now=177.5, project=GLOBEX, seen=GOOD)
    assert permits(ask(state, now=177.7))[WHOLE].share == STRIKES, "it is tried again, too"


def test_when_every_project_is_struck_the_provider_is_held() -> None:
    state = begun()
    for project in (ACME, GLOBEX):
        ask(state, now=101.0, project=project, seen=GOOD)
    assert ask(state, now=102.0, seen=strikes(STRIKES)).conditions[WHOLE].held is None
    grant = ask(state, now=102.2, project=GLOBEX, seen=strikes(STRIKES))
    assert grant.conditions[WHOLE].held is not None
