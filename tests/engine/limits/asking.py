"""Asks as executors make them, with little to say: for tests of the limiter and of what keeps its state."""

from batches.engine.limits.asks import Ask, Award, Bid, Caps, Grant, Tally, Want
from batches.engine.limits.limiter import answer
from batches.engine.limits.state import WHOLE, State
from batches.engine.limits.windows import WindowSize
from providers.failures import Kind

CAPACITY = 256
SPAN = WindowSize(60.0)
FAULTS = Kind.SERVER_ERROR.value


def faults(count: int, *, lived: bool = False) -> Tally:
    return Tally(answers=count, failures=count, lived=lived, kind=FAULTS)


def successes(count: int = 1) -> Tally:
    return Tally(answers=count, lived=True)


class Provider:
    """A provider of some slots, and projects whose executors ask for it. Time is in the test's hand."""

    def __init__(self, slots: int = 10, *, projects: int = 2, **caps: int) -> None:
        self.state, self.now, self.projects = State.begin(now=0.0, quiet=True), 0.0, projects
        self.caps = Caps(slots, **caps)

    def ask(self, executor: str = "x", /, **bids: Bid) -> Grant:
        asked = Ask(bids, CAPACITY, self.projects)
        return answer(self.state, executor, asked, now=self.now, span=SPAN)

    def bid(self, *, wanted: int = 100, in_flight: int = 0, tally: Tally | None = None, requests: int = 0, **more: object) -> Bid:
        want = Want(self.caps, in_flight=in_flight, wanted=wanted, requests=requests, **more)  # type: ignore[arg-type]
        return Bid({WHOLE: want}, tally or Tally())

    def award(self, project: str, executor: str = "x", **about: object) -> Award:
        """What one project is granted, when its executor asks for it alone."""
        return self.ask(executor, **{project: self.bid(**about)}).awards[project]  # type: ignore[arg-type]

    def shares(self, executor: str = "x", /, **bids: Bid) -> dict[str, int | None]:
        """How many slots each project gets."""
        return {name: award.permits[WHOLE].share for name, award in self.ask(executor, **bids).awards.items()}
