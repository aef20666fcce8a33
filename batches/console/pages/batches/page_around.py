"""The frame of every page of a batch: its name, the possible acts, and links to its other pages."""

from django.urls import reverse

from batches.console.drawing import curl
from batches.console.kit.access import SignedIn
from batches.console.kit.download_menu import batch_downloads
from batches.console.kit.lists.way_back import kept, list_query
from batches.console.pages.acts.act_on_batch import offers
from batches.console.pages.acts.retry_batch import may_retry
from batches.models import Batch
from batches.rules.execution import Execution
from batches.services.core.access import Right
from batches.services.retry.preview import outlook_of

TABS = (
    ("Batch", "batch"),
    ("Provider jobs", "batch_jobs"),  # for batches that are handed over
    ("History", "batch_history"),
    ("As clients see it", "batch_faces"),
)


def page_around(request: SignedIn, batch: Batch, *, page: str) -> dict[str, object]:
    """The context of templates/console/batch_frame.html. `page` is the name of the current page's address."""
    list_kept = f"?{kept(request)[1:]}" if kept(request) else ""
    may_act = request.access.may(Right.ACT, batch.project_id)
    has_jobs = Execution(batch.execution).is_handed_over or page == "batch_jobs"
    tabs = [(words, name) for words, name in TABS if has_jobs or name != "batch_jobs"]
    return {
        "batch": batch,
        "tabs": [(words, reverse(f"console:{name}", args=[batch.id]) + list_kept, name == page) for words, name in tabs],
        "list_query": list_query(request),
        "kept": kept(request),
        "may_clone": may_act,
        **_retry(request, batch),
        "offers": offers(batch, request.access),
        "curl": curl.retrieve_batch(request, batch),
        "downloads": list(batch_downloads(batch)),
        "without_bodies": not request.access.may(Right.READ_BODIES, batch.project_id),
    }


def _retry(request: SignedIn, batch: Batch) -> dict[str, object]:
    """Whether there is anything to retry, and how many requests of it are worth it."""
    found = outlook_of(batch) if may_retry(request.access, batch) else None
    return {"may_retry": found is not None and found.may_send, "outlook": found}
