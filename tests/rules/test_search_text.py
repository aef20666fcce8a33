"""What one text from a search box may mean."""

import uuid

import pytest

from batches.rules.search_text import MOST_WORDS, SentRequest, has_words, read_search

KEY = uuid.UUID("019bd3a1-c0de-7b33-a9d4-1f52c8e07a66")


@pytest.mark.parametrize(
    "text",
    [
        "batch_019bd3a1c0de7b33a9d41f52c8e07a66",
        "msgbatch_019bd3a1c0de7b33a9d41f52c8e07a66",
        "file-019bd3a1c0de7b33a9d41f52c8e07a66",
        "batch_req_019bd3a1c0de7b33a9d41f52c8e07a66",
        "req_019bd3a1c0de7b33a9d41f52c8e07a66",
        "019bd3a1-c0de-7b33-a9d4-1f52c8e07a66",
        "  019BD3A1-C0DE-7B33-A9D4-1F52C8E07A66\n",
        "019bd3a1c0de7b33a9d41f52c8e07a66",
    ],
)
def test_an_id_is_read_in_the_spelling_of_any_dialect(text: str) -> None:
    asked = read_search(text)
    assert asked.id == KEY
    assert asked.ids == (KEY, KEY)


@pytest.mark.parametrize(
    ("text", "is_beginning"),
    [
        ("batch_019bd3a1", True),
        ("019bd3a1c0", True),
        ("019bd3a", False),
        ("batch_", False),
        ("cafe", False),
        ("019bd3a1!", False),
    ],
)
def test_the_beginning_of_an_id_has_eight_digits(text: str, is_beginning: bool) -> None:
    asked = read_search(text)
    assert asked.id is None
    assert (asked.ids is not None) is is_beginning
    if asked.ids:
        assert asked.ids[0] <= KEY <= asked.ids[1]


def test_the_portals_own_idempotency_key_names_a_request() -> None:
    asked = read_search(f"{KEY.hex}.17-2-0")
    assert asked.sent == SentRequest(KEY, 17)
    assert asked.id is None
    assert read_search(f"{KEY.hex}.0-1-0").sent is None


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("team=search", ("team", "search")),
        ("metadata.team=search", ("team", "search")),
        ("url=a=b", ("url", "a=b")),
        ("run = 7", None),
        ("run= 7", ("run", "7")),
        ("=7", None),
        ("team=", None),
        ("two words=x", None),
    ],
)
def test_a_pair_of_metadata_is_a_key_without_spaces_and_a_value(text: str, pair: tuple[str, str] | None) -> None:
    assert read_search(text).pair == pair


def test_words_end_at_spaces_and_punctuation_and_are_searched_for_once() -> None:
    assert read_search("Nightly-eval_v2: nightly/RUN ümläut").words == ("nightly", "eval", "v2", "run", "ümläut")
    assert read_search("'; DROP -- \\ %_").words == ("drop",)


def test_words_beyond_the_most_are_left_out_and_known() -> None:
    asked = read_search(" ".join(f"w{number}" for number in range(MOST_WORDS + 2)))
    assert len(asked.words) == MOST_WORDS
    assert asked.left_out == (f"w{MOST_WORDS}", f"w{MOST_WORDS + 1}")


@pytest.mark.parametrize(
    ("text", "words", "found"),
    [
        ("Nightly embeddings, run 7", ("embed",), True),
        ("Nightly embeddings, run 7", ("run", "night"), True),
        ("Nightly embeddings, run 7", ("bedding",), False),
        ("context_length_exceeded", ("length",), True),
        ("anything", (), True),
    ],
)
def test_a_text_has_words_if_its_own_words_begin_with_them(text: str, words: tuple[str, ...], found: bool) -> None:
    assert has_words(text, words) is found
