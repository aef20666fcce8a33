"""Turns: the running batches with slices to lease, and the order in which they are served."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from batches.models import Batch, Slice, bulk
from batches.rules.execution import Execution
from batches.rules.states import BatchStatus
from batches.services.policy.stops_in_force import is_sent_sql
from providers.models import Provider

MOST_OF_A_PROJECT = 32  # how many batches of one project are looked at for one provider
MOST = 256  # how many batches are looked at in all
BYTES_AS_A_REQUEST = 4096  # this many bytes to be sent cost as much as one more request


@dataclass(frozen=True, slots=True)
class Candidate:
    """A running batch with slices to lease.

    `free` is the number of these slices, and `weight` about the cost of one. `begun` is whether any slice of the batch was
    ever leased. `served` is the cost of the batch's leased slices, and `project_served` that of its project's leased slices at
    the same provider. Cost is counted in requests: each open object costs one, and one more for each BYTES_AS_A_REQUEST bytes.
    """

    batch_id: uuid.UUID
    project_id: uuid.UUID
    provider_id: uuid.UUID
    priority: int
    at_risk: bool
    created_at: datetime
    free: int
    begun: bool = False
    weight: int = 1
    served: int = 0
    project_served: int = 0
    precedence: int = 0

    @property
    def standing(self) -> tuple[int, bool]:
        """The order of one project's batches before fairness counts. The batch with the lowest value has the highest standing."""
        return -self.priority, not self.at_risk


Rank = tuple[int, int, int, bool, int, datetime, uuid.UUID]


def rank(candidate: Candidate, *, dealt: int = 0, dealt_to_project: int = 0) -> Rank:
    """The sort key of candidates: the lowest is served first. `dealt` and `dealt_to_project` are the cost just dealt out.

    First comes precedence, which only administrators of the portal set. Then comes the project that is served least. Inside
    a project the order is: priority, batches that will miss their deadline, the batch that is served least, age. So no client
    gets ahead of another project by a priority, or by a deadline that cannot be met.
    """
    return (
        -candidate.precedence,
        candidate.project_served + dealt_to_project,
        *candidate.standing,
        candidate.served + dealt,
        candidate.created_at,
        candidate.batch_id,
    )


_COST = f"s.pending + s.pending * (s.input_end - s.input_start) / s.total / {BYTES_AS_A_REQUEST}"
_FREE = """s.batch_id = {batch}.id AND s.pending > 0
                AND (s.lease_expires_at IS NULL OR s.lease_expires_at <= %(now)s)
                AND s.provider_job_id IS NULL
                AND (s.not_before IS NULL OR s.not_before <= %(now)s)"""
# For each batch one free slice is looked up in the index of unfinished slices. More free slices are counted only for the
# batches on the short list. Leased slices are in an index of their own. So neither a long history nor long batches make the
# query slow.
_CANDIDATES = f"""
      WITH leased AS (
           SELECT s.batch_id, CAST(sum({_COST}) AS bigint) AS cost
             FROM {Slice._meta.db_table} s
            WHERE s.lease_owner IS NOT NULL AND s.lease_expires_at > %(now)s AND s.pending > 0
            GROUP BY s.batch_id),
           served AS (
           SELECT b.project_id, b.provider_id, CAST(sum(l.cost) AS bigint) AS cost
             FROM leased l
             JOIN {Batch._meta.db_table} b ON b.id = l.batch_id
            GROUP BY b.project_id, b.provider_id),
           running AS (
           SELECT b.id, b.project_id, b.provider_id, b.precedence, b.priority, b.created_at,
                  b.at_risk_since IS NOT NULL AS at_risk,
                  (SELECT {_COST}
                     FROM {Slice._meta.db_table} s
                    WHERE {_FREE.format(batch="b")}
                    ORDER BY s.first_line
                    LIMIT 1) AS weight
             FROM {Batch._meta.db_table} b
             JOIN {Provider._meta.db_table} p ON p.id = b.provider_id
            WHERE b.status = '{BatchStatus.IN_PROGRESS.value}' AND b.paused_at IS NULL AND b.expires_at > %(now)s AND p.enabled
              AND (b.execution = '{Execution.DIRECT.value}'
                   OR (b.execution = '{Execution.HYBRID.value}' AND b.taken_back_at IS NOT NULL))
              AND {is_sent_sql("b")}),
           waiting AS (
           SELECT r.*, coalesce(l.cost, 0) AS served, coalesce(v.cost, 0) AS project_served,
                  row_number() OVER (
                      PARTITION BY r.provider_id, r.project_id
                      ORDER BY r.precedence DESC, r.priority DESC, r.at_risk DESC, coalesce(l.cost, 0), r.created_at, r.id
                  ) AS turn
             FROM running r
             LEFT JOIN leased l ON l.batch_id = r.id
             LEFT JOIN served v ON v.project_id = r.project_id AND v.provider_id = r.provider_id
            WHERE r.weight IS NOT NULL),
           chosen AS (
           SELECT *
             FROM waiting
            WHERE turn <= {MOST_OF_A_PROJECT}
            ORDER BY precedence DESC, turn, project_served, created_at
            LIMIT {MOST})
    SELECT c.id, c.project_id, c.provider_id, c.precedence, c.priority, c.at_risk, c.created_at,
           (SELECT count(*)
              FROM (SELECT 1
                      FROM {Slice._meta.db_table} s
                     WHERE {_FREE.format(batch="c")}
                     LIMIT %(most)s) few),
           (SELECT s.lease_epoch
              FROM {Slice._meta.db_table} s
             WHERE s.batch_id = c.id
             ORDER BY s.first_line
             LIMIT 1),
           c.weight, c.served, c.project_served
      FROM chosen c
"""  # noqa: S608 - names of tables, a status and numbers only


def candidates(*, now: datetime, most: int) -> list[Candidate]:
    """The batches with slices to lease, those of each project that are served first. One query.

    The free slices of a batch are counted up to `most`.
    """
    with bulk.cursor() as cursor:
        cursor.execute(_CANDIDATES, {"now": bulk.adapt(Slice, "lease_expires_at", now), "most": most})
        return [_from_row(*row) for row in cursor.fetchall()]


def _from_row(*row: Any) -> Candidate:
    batch, project, provider, precedence, priority, at_risk, created_at, free, epoch, weight, served, project_served = row
    return Candidate(
        batch_id=_uuid(batch),
        project_id=_uuid(project),
        provider_id=_uuid(provider),
        priority=priority,
        at_risk=bool(at_risk),
        created_at=created_at.replace(tzinfo=UTC),  # which SQLite does not tell
        free=free,
        begun=epoch > 0,  # slices are begun in their order
        weight=max(weight, 1),
        served=served,
        project_served=project_served,
        precedence=precedence,
    )


def _uuid(value: Any) -> uuid.UUID:
    return value if isinstance(value, uuid.UUID) else uuid.UUID(value)
