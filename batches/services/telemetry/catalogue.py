"""The catalogue of everything that processes count. A label has few values, which the portal chooses: no client adds one.

The label `provider` holds the id of a provider until somebody reads the metrics, since a provider may get another name.
"""

from dataclasses import dataclass

from batches.rules.states import SETTLED, TERMINAL


@dataclass(frozen=True, slots=True)
class Counted:
    """A counter; or a histogram in seconds if it has `buckets`, the upper bounds of its buckets.

    `values` are the values of its one label. They are shown from the beginning with 0, so that the first count is an increase.
    """

    name: str
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    values: tuple[str, ...] = ()


_OF_DATABASE = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_OF_UPSTREAMS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0)
_OF_WEB = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

BATCHES_SUBMITTED = Counted("batchyard_batches_submitted", "Batches that were created.")
BATCHES_ENDED = Counted(
    "batchyard_batches_ended", "Batches that ended, by their last status.", ("status",), values=tuple(sorted(TERMINAL))
)
OBJECTS_SETTLED = Counted(
    "batchyard_objects_settled",
    "Rounds of batch objects that got an outcome. Skipped invalid lines are not among them.",
    ("outcome",),
    values=tuple(sorted(SETTLED)),
)
ATTEMPTS = Counted(
    "batchyard_attempts", "Direct calls to providers, by success or the kind of their failure.", ("provider", "kind")
)
ATTEMPT_SECONDS = Counted(
    "batchyard_attempt_seconds", "How long direct calls to providers took.", ("provider",), buckets=_OF_UPSTREAMS
)
THROTTLES = Counted("batchyard_throttles", "Direct calls that a provider turned away because there were too many.", ("provider",))
CLAIM_SECONDS = Counted(
    "batchyard_claim_seconds", "How long executors took to lease slices, or to find none.", buckets=_OF_DATABASE
)
SETTLE_SECONDS = Counted(
    "batchyard_settle_seconds", "How long executors took to record the outcomes of a turn.", buckets=_OF_DATABASE
)
LEASES_LOST = Counted(
    "batchyard_leases_lost",
    "Slices whose lease ran out: taken up by another executor (expired), or missed by their former one (fenced).",
    ("kind",),
    values=("expired", "fenced"),
)
DUPLICATES = Counted(
    "batchyard_duplicates",
    "Answers that were paid and changed nothing: of a provider job after its request had settled (job) or its batch had"
    " stopped (late), or of an executor that had lost its slice (dropped).",
    ("kind",),
    values=("dropped", "job", "late"),
)
VERIFY_FINDINGS = Counted(
    "batchyard_verify_findings",
    "Disagreements that the beat's sample of batches showed; the log tells which.",
    ("result",),
    values=("left", "mended"),
)
RECONCILE_FINDINGS = Counted(
    "batchyard_reconcile_findings",
    "Times that reconcile found work which nobody did, or a deadline that had passed.",
    ("kind",),
    values=("overdue", "unclaimed", "unfinished", "unvalidated"),
)
HTTP_REQUESTS = Counted("batchyard_http_requests", "Requests of clients, by the class of their answer.", ("face", "status"))
HTTP_SECONDS = Counted(
    "batchyard_http_request_seconds", "From the head of a request to the beginning of its answer.", ("face",), buckets=_OF_WEB
)
CPU_SECONDS = Counted("batchyard_process_cpu_seconds", "CPU time of the portal's processes.", ("role",))

CATALOGUE: tuple[Counted, ...] = (
    BATCHES_SUBMITTED,
    BATCHES_ENDED,
    OBJECTS_SETTLED,
    ATTEMPTS,
    ATTEMPT_SECONDS,
    THROTTLES,
    CLAIM_SECONDS,
    SETTLE_SECONDS,
    LEASES_LOST,
    DUPLICATES,
    VERIFY_FINDINGS,
    RECONCILE_FINDINGS,
    HTTP_REQUESTS,
    HTTP_SECONDS,
    CPU_SECONDS,
)
