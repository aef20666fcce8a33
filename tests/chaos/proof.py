"""The proof after chaos: finds each rule that a portal violates, as a sentence."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from uuid import UUID

import msgspec

from tests.answers import Request
from tests.chaos.client import LATENCY, UNFLUSHED_SECONDS
from tests.chaos.havoc import Fault, Havoc
from tests.chaos.stage import Stage

ON_ITS_WAY_SECONDS = 1.0  # the most time between the kill of a process and the arrival of its last call
INPUT_TOKENS, OUTPUT_TOKENS = 9, 3  # the usage of each success
INPUT_PRICE, OUTPUT_PRICE = 1, 2  # per million tokens
_NANOS_A_TOKEN = 1000


class _Line(msgspec.Struct):
    custom_id: str


_decode = msgspec.json.Decoder(_Line).decode
_BATCHES = """
    SELECT b.id, b.status, b.total, b.succeeded, b.failed, b.cancelled, b.pending, b.input_tokens, b.output_tokens, b.cost_nanos,
           i.content, o.content, e.content
      FROM batches_batch b
      LEFT JOIN batches_file i ON i.id = b.input_file_id
      LEFT JOIN batches_file o ON o.id = b.output_file_id
      LEFT JOIN batches_file e ON e.id = b.error_file_id
     ORDER BY b.created_at
"""


def violations(havoc: Havoc) -> Iterator[str]:
    """All violations."""
    stage = havoc.stage
    said = stage.portal.manage("verify", "--check")
    if said.returncode:
        yield f"verify --check: {said.stdout}{said.stderr}"
    for row in stage.rows(_BATCHES):
        yield from _of_batch(stage.portal.folder / "files", *row)
    ((left,),) = stage.rows("SELECT count(*) FROM batches_slice WHERE lease_owner IS NOT NULL AND pending > 0")
    if left:
        yield f"{left} slices with open objects are leased, although every batch has ended"
    calls = _calls(stage)
    for name, sent in calls.items():
        yield from _of_object(name, sent, havoc)


def repeated(havoc: Havoc) -> int:
    """The number of calls that were repeated although the first call had a final answer."""
    return sum(_again(sent, havoc) for sent in _calls(havoc.stage).values())


def _again(sent: Sequence[Request], havoc: Havoc) -> int:
    return sum(request.number in havoc.upstream.final for request in sent[:-1])


def _of_batch(
    root: Path,
    key: UUID,
    status: str,
    total: int,
    succeeded: int,
    failed: int,
    cancelled: int,
    pending: int,
    input_tokens: int,
    output_tokens: int,
    cost: int,
    *files: str | None,
) -> Iterator[str]:
    if status not in {"completed", "cancelled"}:
        yield f"batch {key} is {status}"
    asked, output, error = ([_decode(line).custom_id for line in _lines(root, name)] for name in files)
    if not total and status == "cancelled":
        asked = []  # before its input was checked
    if sorted(asked) != sorted(output + error):
        yield f"batch {key} has {len(output)} and {len(error)} lines for {len(asked)} requests, or others than those"
    if (total, succeeded, failed + cancelled, pending) != (len(asked), len(output), len(error), 0):
        yield f"batch {key} counts {succeeded} and {failed + cancelled} of {total}, and {pending} are pending"
    if (input_tokens, output_tokens) != (INPUT_TOKENS * succeeded, OUTPUT_TOKENS * succeeded):
        yield f"batch {key} has used {input_tokens} and {output_tokens} tokens for {succeeded} successes"
    if cost != succeeded * (INPUT_TOKENS * INPUT_PRICE + OUTPUT_TOKENS * OUTPUT_PRICE) * _NANOS_A_TOKEN:
        yield f"batch {key} has cost {cost} for {succeeded} successes"


def _lines(root: Path, name: str | None) -> list[bytes]:
    return [] if name is None else (root / name).read_bytes().splitlines()


def _calls(stage: Stage) -> Mapping[str, list[Request]]:
    """The calls that the upstream received for each round of each object, in order."""
    found = defaultdict(list)
    for request in stage.upstream.requests:
        found[request.idempotency_key.rpartition("-")[0]].append(request)
    return found


def _of_object(name: str, sent: Sequence[Request], havoc: Havoc) -> Iterator[str]:
    """A call with a final answer is repeated only if its outcome was lost together with its executor."""
    for request in sent[:-1]:
        if request.number in havoc.upstream.final and not any(_excuses(fault, request) for fault in havoc.faults):
            yield f"{name} was sent again, although its answer at {request.at:.2f} was no victim of a fault"


def _excuses(fault: Fault, request: Request) -> bool:
    return fault.costs and fault.began - LATENCY - UNFLUSHED_SECONDS <= request.at <= fault.ended + ON_ITS_WAY_SECONDS
