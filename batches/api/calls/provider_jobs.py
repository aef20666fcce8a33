"""The jobs of a batch at its provider's own batch API: the list, and the acts on one job."""

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from batches.api.fields.acts import Reasoned
from batches.api.fields.standing import PollJob, ShownProviderJob
from batches.api.openapi import documented
from batches.api.openapi.schema import page_of
from batches.api.view import NativeView
from batches.http.paging import page_after
from batches.models import Batch, ProviderJob
from batches.rules import identifiers
from batches.rules.errors import NotFound
from batches.services.core.access import Right
from batches.services.delegation import decide, take_back


class ProviderJobs(NativeView):
    """/batches/{batch_id}/provider_jobs"""

    tag = "Provider jobs"
    thing = "job"
    requires = {"list": Right.READ, "recall": Right.ACT, "look_at": Right.ACT}  # noqa: RUF012 - read only

    @extend_schema(
        operation_id="list_provider_jobs",
        summary="List the provider jobs of a batch",
        parameters=documented.PAGE,
        responses=page_of(ShownProviderJob, "ProviderJobPage"),
    )
    def list(self, request: Request, batch_id: str) -> Response:
        """The jobs at the provider's own batch API that carry out requests of the batch, the newest first.

        A batch that runs directly has none. Results reach the batch when a job has ended at the provider and is collected.
        """
        self.allow_parameters("cursor", "limit")
        batch = self.find_batch(batch_id)
        jobs = ProviderJob.objects.filter(batch=batch).defer("seen")
        listed = jobs.select_related("provider").prefetch_related("incidents")
        page = page_after(listed, jobs, after=request.query_params.get("cursor"), limit=self.limit(), name="cursor")
        following = identifiers.render("job_", page.rows[-1].pk) if page.has_more else None
        return self.page([self._shown(job, batch) for job in page.rows], next_cursor=following)

    @extend_schema(
        operation_id="take_back_provider_job",
        summary="Take a provider job back",
        request=Reasoned,
        responses=ShownProviderJob,
    )
    def recall(self, _request: Request, batch_id: str, job_id: str) -> Response:
        """Cancel a job at its provider, bring home what it has done, and leave its other requests to others.

        In a `hybrid` batch the portal sends these directly; in a `delegated` one they go into a further job. What the provider
        has done until then is paid. Taking a job back again changes nothing. A job that is over cannot be taken back (409).
        """
        batch, job = self._find(batch_id, job_id)
        reason = self.fields(Reasoned)["reason"]
        return Response(self._shown(take_back.recall(job, actor=self.actor, now=timezone.now(), reason=reason), batch))

    @extend_schema(
        operation_id="poll_provider_job", summary="Look at a provider job now", request=PollJob, responses=ShownProviderJob
    )
    def look_at(self, _request: Request, batch_id: str, job_id: str) -> Response:
        """Have a job looked at as soon as a worker is free, instead of at `next_poll_at`. A job that is over is not (409)."""
        batch, job = self._find(batch_id, job_id)
        self.fields(PollJob)
        return Response(self._shown(decide.look_at(job, actor=self.actor, now=timezone.now()), batch))

    def _find(self, batch_id: str, job_id: str) -> tuple[Batch, ProviderJob]:
        """The batch and its job that the path names. Raises NotFound and NotPermitted."""
        self.allow_parameters()
        batch = self.find_batch(batch_id)
        jobs = ProviderJob.objects.filter(batch=batch).defer("seen").select_related("provider", "batch__project")
        pk = identifiers.parse(job_id)
        job = jobs.filter(pk=pk).first() if pk is not None else None
        if job is None:
            raise NotFound(f"Batch {batch} has no provider job with the id {job_id[:100]!r}.", param="job_id")
        return batch, job

    def _shown(self, job: ProviderJob, batch: Batch) -> dict[str, object]:
        quotes = self.caller.readable(batch.project_id)
        return ShownProviderJob(context={"quotes": quotes}).to_representation(job)
