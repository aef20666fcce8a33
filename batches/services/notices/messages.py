"""messages: the words of a message, for e-mail and for chats. Names come from clients: they are text, and never markup."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.conf import settings

from batches.models import Batch, EventType, Notice
from batches.rules.display.counted import counted
from batches.services.core.outbox import AT_RISK, BLOCKED, PAUSED

NAME_CHARS = 60
SUBJECT_CHARS = 150
DID: Mapping[str, str] = {
    EventType.CREATED: "created",
    EventType.COMPLETED: "completed",
    EventType.FAILED: "failed",
    EventType.EXPIRED: "expired",
    EventType.CANCELLED: "cancelled",
    EventType.NEEDS_ATTENTION: "needing attention",
}
WHY: Mapping[str, str] = {
    PAUSED: "paused by a guard",
    AT_RISK: "will miss its deadline",
    BLOCKED: "blocked: no worker can carry it out",
}
TRIED_OUT = "This is a test. Notices of your subscription arrive here."
# The characters by which chats mark up text, mention people and recognise addresses, and their wide forms, which do nothing.
_WWW = re.compile(r"(www)\.", re.IGNORECASE)
_TAME = {ord(sign): ord(sign) + 0xFEE0 for sign in "<>&@[]()*_~`|\\#!:"}


@dataclass(frozen=True, slots=True)
class Told:
    """What one message tells: how many events of each type, the first of them, and whether it is a test."""

    counts: Mapping[str, int]
    first: Sequence[Notice]
    is_test: bool = False

    @property
    def total(self) -> int:
        """How many events it tells."""
        return sum(self.counts.values())


def subject(told: Told) -> str:
    """The one line that says what happened."""
    if not told.total:
        return "Batchyard: a test of your notices"
    if told.total == 1 and told.first:
        (one,) = told.first
        return f"Batchyard: {_event(one)}"[:SUBJECT_CHARS]
    return f"Batchyard: {counted(told.total, 'notice')}: {_summary(told)}"[:SUBJECT_CHARS]


def mail_text(told: Told) -> str:
    """The text of an e-mail."""
    lines = [TRIED_OUT, ""] if told.is_test else []
    if told.total > 1:
        lines += [f"{counted(told.total, 'notice')}: {_summary(told)}.", ""]
    for notice in told.first:
        lines += [_event(notice), *(f"  {line}" for line in _about(notice)), ""]
    lines += _rest(told)
    lines += ["-- ", "You subscribed to this in your account." + _address(" ", "account/notices/")]
    return "\n".join(lines) + "\n"


def chat_text(told: Told) -> str:
    """The text of a chat message. Names cannot mark up, mention or link anything."""
    lines = [f"Batchyard: {TRIED_OUT}"] if told.is_test else []
    if told.total > 1:
        lines.append(f"Batchyard: {counted(told.total, 'notice')}: {_summary(told)}.")
    for notice in told.first:
        first = "Batchyard: " if told.total == 1 else "• "
        address = _address(" ", f"batches/{notice.batch}/")
        lines.append(first + _event(notice, tame=True) + address)
    return "\n".join([*lines, *_rest(told)])


def plain(text: str, *, tame: bool = False) -> str:
    """A name as one short line without control and formatting characters; `tame`, without what chats take for markup."""
    line = "".join(sign if sign.isprintable() else " " * sign.isspace() for sign in text[: NAME_CHARS * 4])
    line = " ".join(line.split())
    line = _WWW.sub("\\1\u2024", line).translate(_TAME) if tame else line
    return line if len(line) <= NAME_CHARS else line[: NAME_CHARS - 1] + "…"


def _event(notice: Notice, *, tame: bool = False) -> str:
    """An event in a sentence: the batch, what it did, its name and its project."""
    batch = notice.batch
    assert batch is not None
    did = DID.get(notice.type, notice.type)
    if notice.type == EventType.NEEDS_ATTENTION:
        did = f"needs attention ({WHY.get(notice.reason, notice.reason)})"
    name = plain(_name(batch), tame=tame)
    return f"{batch} {did}{f', “{name}”' if name else ''}, project {plain(batch.project.slug)}"


def _about(notice: Notice) -> list[str]:
    batch = notice.batch
    assert batch is not None
    lines = [f"at {notice.created_at:%Y-%m-%d %H:%M} UTC"]
    if batch.is_terminal and (counts := batch.counts).total:
        ended = (("succeeded", counts.succeeded), ("failed", counts.failed), ("expired", counts.expired))
        told = ", ".join(f"{number:,} {word}" for word, number in (*ended, ("cancelled", counts.cancelled)) if number)
        lines.append(f"{counted(counts.total, 'request')}{f': {told}' if told else ''}")
    return [*lines, *filter(None, [_address("", f"batches/{batch}/")])]


def _name(batch: Batch) -> str:
    """What its client calls a batch: its remark, else the name of its input file."""
    return batch.remark or batch.operation_name or (batch.input_file.filename if batch.input_file else "")


def _summary(told: Told) -> str:
    return ", ".join(
        f"{told.counts[word]:,} {DID.get(word, word)}"
        for word in [*DID, *sorted(told.counts.keys() - DID.keys())]
        if word in told.counts
    )


def _rest(told: Told) -> list[str]:
    """The events that are only counted."""
    rest = told.total - len(told.first)
    return [f"and {rest:,} more.", ""] if rest > 0 else []


def _address(before: str, path: str) -> str:
    """The address of a page of the console, if the portal knows its own."""
    return f"{before}{settings.PUBLIC_URL}/console/{path}" if settings.PUBLIC_URL else ""
