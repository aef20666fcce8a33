"""audit_question: what a reader asks of the audit log, and whose records the reader may see."""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from batches.filters import AuditFilter
from batches.filters.periods import span_of
from batches.models import Project
from batches.rules.display.audit_words import alike
from batches.services.core.access import Access, Right

KINDS = ("user", "key")  # of actors, in front of their names
MOST_PARTS = 20  # projects whose records are read one by one; those of more are sorted


@dataclass(frozen=True, slots=True)
class LogQuestion:
    """What a reader asks for. `within` are the projects whose records the reader may see; None for the whole portal."""

    within: Collection[uuid.UUID] | None = None
    projects: Collection[Project] = ()
    who: str = ""
    target: str = ""
    since: datetime | None = None
    until: datetime | None = None
    acts: Collection[str] = ()
    outcome: str = ""
    sources: Collection[str] = ()
    text: str = ""

    @classmethod
    def of(cls, chosen: AuditFilter, *, within: Collection[uuid.UUID] | None) -> "LogQuestion":
        """The question of a query that was understood."""
        asked = chosen.chosen
        since, until = span_of(asked["created"], now=chosen.now) if asked.get("created") else (None, None)
        return cls(
            within=within,
            projects=asked.get("project", ()),
            who=asked.get("who", ""),
            target=asked.get("target", ""),
            since=max(filter(None, (since, asked.get("created_from"))), default=None),
            until=min(filter(None, (until, asked.get("created_to"))), default=None),
            acts=alike(asked.get("what", ())),
            outcome=asked.get("outcome", ""),
            sources=asked.get("source", ()),
            text=asked.get("text", ""),
        )

    @property
    def parts(self) -> "Sequence[LogQuestion]":
        """The question as several, each of which one index answers in the order of time: for each actor, and each project.

        For several projects together PostgreSQL would walk through the whole portal's records, or sort all of theirs.
        """
        if self.who:
            return [replace(self, who=actor) for actor in self.actors]
        places = [project.pk for project in self.projects] or self.within
        if self.target or places is None or not 1 < len(places) <= MOST_PARTS:
            return [self]
        allowed = places if self.within is None else [place for place in places if place in self.within]
        return [replace(self, within=[place], projects=()) for place in allowed]

    @property
    def actors(self) -> Sequence[str]:
        """The names of the actor as records have them; one empty name for any actor. Each is read from an index by itself."""
        if not self.who or self.who.startswith(tuple(f"{kind} " for kind in KINDS)):
            return [self.who]
        return [self.who, *(f"{kind} {self.who}" for kind in KINDS)]

    @property
    def looks_through(self) -> bool:
        """Whether a filter is set that no index knows."""
        return bool(self.acts or self.outcome or self.sources or self.text)


def administered(access: Access) -> Collection[uuid.UUID] | None:
    """The projects whose records a person may see; None for an administrator of the portal, who sees all."""
    return None if access.roles is None else [project for project in access.roles if access.may(Right.MANAGE, project)]
