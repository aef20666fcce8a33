"""The words of the audit log: there are some for every act that can be recorded."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.urls import URLPattern, URLResolver

from batches.api.urls import urlpatterns as api_urls
from batches.console.urls import urlpatterns
from batches.models import BulkAct, Stopped
from batches.rules.display.audit_words import OF_BATCH, WORDS, act_of_event, alike, choice_of, choices, words_of
from batches.rules.states import OF_DELEGATION, Act, BatchStatus
from batches.services.core.access import Right
from tests.services.recorded import FACES, SERVICES

BODIES = (Right.READ_BODIES, Right.ACT, Right.MANAGE)  # a person may lack these in a project that they see
OF_RECORDS = {"record_act", "record_refusal", "_record", "_recorded", "require", "require_portal"}


def written_names() -> Iterator[str]:
    """The acts that the source names: in calls of services, and as the `act` of a check."""
    for path in (path for folder in (SERVICES, *FACES) for path in Path(folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = getattr(node.func, "attr", getattr(node.func, "id", ""))
                named = [word.value for word in node.keywords if word.arg == "act"]
                first = node.args[:1] if called in OF_RECORDS else []
                yield from (
                    each.value for each in (*named, *first) if isinstance(each, ast.Constant) and isinstance(each.value, str)
                )


def made_names() -> Iterator[str]:
    """The acts whose names are put together."""
    yield from (f"bulk_{act}" for act in BulkAct)
    yield from (name for what in Stopped for name in (f"stop_{what}", f"end_stop_of_{what}"))
    yield from (pattern.name or "" for pattern in urlpatterns if _right(pattern) in BODIES)
    for pattern in api_urls:
        view: Any = getattr(pattern.callback, "cls", None)
        yield from (f"{action}_{view.thing}" for action, right in getattr(view, "requires", {}).items() if right in BODIES)
    for page in admin.site._registry.values():
        if getattr(page, "changes", None):
            yield from (f"{verb}_{page.opts.model_name}" for verb in ("add", "change"))
        for inline in page.inlines:
            yield from (f"{verb}_{inline.model._meta.model_name}" for verb in ("add", "change", "remove"))


def _right(pattern: URLPattern | URLResolver) -> Right | None:
    right: Right | None = getattr(getattr(pattern, "callback", None), "right", None)
    return right


def test_every_act_has_words() -> None:
    """O15"""
    names = {name for name in (*written_names(), *made_names(), *OF_BATCH.values()) if re.fullmatch(r"\w+", name)}
    assert len(names) > 80
    assert sorted(names - WORDS.keys()) == []


@pytest.mark.parametrize("act", [act for act in Act if act not in OF_DELEGATION])
def test_every_act_on_a_batch_is_in_the_log_by_a_name(act: Act) -> None:
    assert act_of_event(act, BatchStatus.IN_PROGRESS) in WORDS


def test_acts_with_the_same_words_are_one_choice() -> None:
    assert alike(["revoke_key"]) == {"revoke_key", "revoke_api_key"}
    assert choice_of("revoke_api_key") == "revoke_key"
    assert {words for _, words in choices()} == set(WORDS.values())
    assert (words_of("of_another_version"), choice_of("of_another_version")) == ("Of another version", "")
