"""The words of messages: short, whole, and of names only the text."""

import pytest

from batches.models import EventType
from batches.services.core.outbox import AT_RISK, BLOCKED, PAUSED
from batches.services.notices.messages import DID, NAME_CHARS, SUBJECT_CHARS, WHY, Told, chat_text, mail_text, plain, subject


@pytest.mark.parametrize(
    ("name", "shown", "tame"),
    [
        ("nightly", "nightly", "nightly"),
        ("  a\r\n\tb\u2028c  ", "a b c", "a b c"),
        ("Bcc: x@example.com", "Bcc: x@example.com", "Bcc： x＠example.com"),
        ("<!channel> <b>", "<!channel> <b>", "＜！channel＞ ＜b＞"),
        ("[x](http://evil.example)", "[x](http://evil.example)", "［x］（http：//evil.example）"),
        ("www.evil.example", "www.evil.example", "www․evil.example"),
        ("a\u202eb\u200b\x07c", "abc", "abc"),
        ("Zürich 🌙 東京", "Zürich 🌙 東京", "Zürich 🌙 東京"),
        ("", "", ""),
    ],
)
def test_a_name_is_one_line_of_text(name: str, shown: str, tame: str) -> None:
    assert plain(name) == shown
    assert plain(name, tame=True) == tame


@pytest.mark.parametrize("name", ["x" * 500, "🌙" * 500, " " * 5000 + "x", "a\n" * 5000])
def test_a_long_name_is_shortened(name: str) -> None:
    assert len(plain(name)) <= NAME_CHARS


def test_every_event_and_every_reason_has_its_words() -> None:
    assert DID.keys() == set(EventType.values)
    assert WHY.keys() == {PAUSED, AT_RISK, BLOCKED}


def test_many_events_are_counted_by_their_types_and_those_of_another_version_by_their_names() -> None:
    told = Told({"batch.completed": 1200, "batch.failed": 3, "batch.new_kind": 1}, [])
    assert subject(told) == "Batchyard: 1,204 notices: 1,200 completed, 3 failed, 1 batch.new_kind"
    assert len(subject(told)) <= SUBJECT_CHARS
    assert chat_text(told).splitlines()[0] == "Batchyard: 1,204 notices: 1,200 completed, 3 failed, 1 batch.new_kind."
    assert "and 1,204 more." in mail_text(told)


def test_a_test_says_what_it_is() -> None:
    told = Told({}, [], is_test=True)
    assert subject(told) == "Batchyard: a test of your notices"
    assert mail_text(told).startswith("This is a test.")
    assert "This is a test." in chat_text(told)
