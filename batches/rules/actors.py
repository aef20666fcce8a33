"""Who moves a batch: a value that every service which moves state takes and every event records."""

from dataclasses import dataclass

from batches.rules.states import Source

REASON_CHARS = 500  # of what somebody may say why they do something to batches


@dataclass(frozen=True, slots=True)
class Actor:
    """A name for people (`key mobile-app`, `user ops`, `engine`) and the way it came in."""

    name: str
    source: Source


ENGINE = Actor("engine", Source.ENGINE)
GUARD = Actor("guard", Source.ENGINE)
COMMAND = Actor("command", Source.COMMAND)
RECONCILE = Actor("reconcile", Source.RECONCILE)
