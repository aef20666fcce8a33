"""Actor: the person, key, command or part of the engine that does something. Services take it, and events record it."""

import uuid
from dataclasses import dataclass

from batches.rules.states import Source

REASON_CHARS = 500  # the length of the reason that a person may give for an act on batches


@dataclass(frozen=True, slots=True)
class Actor:
    """A name for people (`key mobile-app`, `user ops`, `engine`), and the way by which the act reached the portal.

    `operation` is the id of the bulk operation that the act is a part of.
    """

    name: str
    source: Source
    operation: uuid.UUID | None = None


ENGINE = Actor("engine", Source.ENGINE)
GUARD = Actor("guard", Source.ENGINE)
COMMAND = Actor("command", Source.COMMAND)
RECONCILE = Actor("reconcile", Source.RECONCILE)
