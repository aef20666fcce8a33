from batches.console.drawing.provider_job import RECALLED, WORDS
from batches.filters.provider_jobs import RECALLS
from batches.rules.execution import JobState, Recall


def test_every_state_and_every_reason_of_a_take_back_has_words() -> None:
    assert WORDS.keys() == set(JobState)
    assert RECALLED.keys() == set(Recall)
    assert dict(RECALLS).keys() == set(Recall)
