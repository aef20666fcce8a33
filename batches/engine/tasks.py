"""The Celery tasks. Each takes ids and calls one service, which is safe when the task is lost or delivered twice."""

import uuid

from celery import shared_task
from django.utils import timezone

from batches.engine import around_tasks as around_tasks  # its receivers of Celery's signals
from batches.engine import gc_tuning as collector
from batches.engine.delegation import delegator
from batches.engine.executor import execute as executor
from batches.engine.sole_run import SoleRun
from batches.engine.webhooks import deliverer
from batches.models import Worker
from batches.services.bulk.run import run as run_operation
from batches.services.consistency.verify import verify_recent as prove_some
from batches.services.erasure.erase import go_on as go_on_erasing
from batches.services.erasure.erase import run as run_erasure
from batches.services.lifecycle.control_turns import finalize_next, validate_next
from batches.services.tally.late_batches import assess as assess_all
from batches.services.tally.workers import heartbeat
from batches.services.telemetry.process import process_identity
from batches.services.upkeep.prune import prune as prune_all
from batches.services.upkeep.reconcile import reconcile as reconcile_all
from batches.services.upkeep.sweep import sweep as sweep_rows

_delegator, _deliverer = SoleRun(), SoleRun()  # one process has both, with a thread for each


@shared_task(name="batches.engine.validate")
def validate(batch_id: str) -> None:
    """Check the input of a batch that waits for validation."""
    collector.tune()
    validate_next(uuid.UUID(batch_id), now=timezone.now())


@shared_task(name="batches.engine.execute", acks_late=False)
def execute() -> None:
    """Run an executor until it has no more work. The task is acknowledged early: a lost task costs a lease, not a result."""
    executor.run()


@shared_task(name="batches.engine.delegate", acks_late=False)
def delegate() -> None:
    """Speak to the providers' batch APIs until no job is due. It is acknowledged early: a lost task costs a lease."""
    _delegator(delegator.run)


@shared_task(name="batches.engine.notify", acks_late=False)
def notify() -> None:
    """Send events to their receivers until nothing is due. It is acknowledged early: a lost task costs a lease."""
    _deliverer(deliverer.run)


@shared_task(name="batches.engine.finalize")
def finalize(batch_id: str) -> None:
    """End a batch that has nothing left to run."""
    collector.tune()
    finalize_next(uuid.UUID(batch_id), now=timezone.now())


@shared_task(name="batches.engine.bulk")
def bulk(operation_id: str) -> None:
    """Act on some more batches of a bulk operation."""
    run_operation(uuid.UUID(operation_id), now=timezone.now())


@shared_task(name="batches.engine.reconcile")
def reconcile() -> None:
    """Find work whose message was lost, and send a heartbeat."""
    now = timezone.now()
    heartbeat(uuid.uuid5(uuid.NAMESPACE_OID, process_identity()), role=Worker.Role.CONTROL, now=now)
    reconcile_all(now=now)


@shared_task(name="batches.engine.assess")
def assess() -> None:
    """Mark the batches that are at risk of missing their deadline."""
    assess_all(now=timezone.now())


@shared_task(name="batches.engine.prove")
def verify_recent() -> None:
    """Verify the counts, rows, files and states of a sample of batches."""
    prove_some(now=timezone.now())


@shared_task(name="batches.engine.prune")
def prune() -> None:
    """Remove files and rows that have been kept for long enough."""
    prune_all(now=timezone.now())


@shared_task(name="batches.engine.sweep")
def sweep() -> None:
    """Delete some more rows of batches that are gone, and go on with erasures whose worker was killed."""
    go_on_erasing(now=timezone.now())
    sweep_rows()


@shared_task(name="batches.engine.erase")
def erase(erasure_id: str) -> None:
    """Carry out an erasure."""
    collector.tune()
    run_erasure(uuid.UUID(erasure_id), now=timezone.now())
