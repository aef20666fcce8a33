"""The ways of carrying a batch out, and the states of a job at a provider's own batch API. Words and pure rules."""

from django.db import models


class Execution(models.TextChoices):
    """Who makes the calls of a batch. `auto` is a wish; it becomes hybrid or direct when the input is known."""

    DIRECT = "direct", "direct: the portal sends each request"
    DELEGATED = "delegated", "delegated: the provider's batch API runs them"
    HYBRID = "hybrid", "hybrid: delegated, and finished directly before the deadline"
    AUTO = "auto", "auto: hybrid where it pays"

    @property
    def is_handed_over(self) -> bool:
        """Whether the requests go to the provider's batch API first."""
        return self in (Execution.DELEGATED, Execution.HYBRID)


class JobState(models.TextChoices):
    """The state of a provider job.

        preparing --> sending --> running --> collecting --> ended
            |           |  '--> uncertain --'
            |           '--> refused
            '--> ended                          (nothing was left to send)

    An uncertain job goes back to preparing if no job came of its create call.
    """

    PREPARING = "preparing"
    SENDING = "sending"
    UNCERTAIN = "uncertain"
    RUNNING = "running"
    COLLECTING = "collecting"
    ENDED = "ended"
    REFUSED = "refused"

    @property
    def sentence(self) -> str:
        """The meaning of this state, for people."""
        return _SENTENCES[self]


_SENTENCES = {
    JobState.PREPARING: "Its requests wait to be uploaded, or for room in the provider's queue.",
    JobState.SENDING: "The call that creates it is under way.",
    JobState.UNCERTAIN: "Nobody knows yet whether the call that creates it succeeded; it is being looked for.",
    JobState.RUNNING: "The provider has it.",
    JobState.COLLECTING: "It has ended at the provider; its results are being brought home.",
    JobState.ENDED: "Every result that the provider had is here.",
    JobState.REFUSED: "The provider did not accept it.",
}

OPEN_JOBS = frozenset(JobState) - {JobState.ENDED, JobState.REFUSED}
AT_PROVIDER = frozenset({JobState.SENDING, JobState.UNCERTAIN, JobState.RUNNING, JobState.COLLECTING})


class Recall(models.TextChoices):
    """Why a job is taken back from its provider."""

    LATE = "late", "it would miss the deadline"
    STOPPED = "stopped", "its batch was cancelled or has ended"
    PERSON = "person", "somebody took it back"
    MOVED = "moved", "its batch was moved before it was sent"


class IncidentCode(models.TextChoices):
    """What may need a person at a provider job. Each says both sides of a disagreement."""

    UNCERTAIN = "uncertain", "It is not known whether the job exists"
    AMBIGUOUS = "ambiguous", "Several jobs at the provider may be this one"
    SURFACED = "surfaced", "A job appeared that was taken for lost"
    REFUSED = "refused", "The provider refused the job"
    FAILED = "failed", "The job failed as a whole"
    UNKNOWN_WORD = "unknown_word", "The provider uses a word for its state that is not known"
    COUNTS_DIFFER = "counts_differ", "The provider counts otherwise"
    MISSING_ROWS = "missing_rows", "Results are missing"
    FOREIGN_ROWS = "foreign_rows", "Results are there that were never asked for"
    UNREADABLE = "unreadable", "Results cannot be read"
    GONE = "gone", "The provider does not know the job any more"
    LEFT_BEHIND = "left_behind", "Files could not be deleted at the provider"


# The incidents at which nothing goes on until somebody decides.
HELD = frozenset({IncidentCode.UNCERTAIN, IncidentCode.AMBIGUOUS})
