"""The front page of the admin: its tables by what they are for, with a line about each."""

from collections.abc import Callable, Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse

from batches.admin.scope import access
from batches.services.core.access import Right
from batches.services.insight.audit_log import Record, audit_page
from batches.services.insight.audit_question import LogQuestion, administered

LATEST = 8  # acts on the front page
AppList = list[dict[str, Any]]
Listing = Callable[..., AppList]
Index = Callable[[HttpRequest, dict[str, Any] | None], HttpResponse]

# The groups of the front page, with the models of each by their names.
GROUPS: Mapping[str, Mapping[str, str]] = {
    "People and access": {
        "User": "Accounts, second factors, who administers the portal",
        "Membership": "Roles of people in projects",
        "ApiKey": "Issue and revoke the keys of clients",
        "AccountToken": "Linked accounts of the Merge dialect",
        "ClaimedFlags": "Flags that an identity provider gave",
        "Subscription": "What people are told of, where and how often",
        "Notice": "Events that people were told of, or are to be",
        "AuditEntry": "Acts and refusals, besides those on batches",
    },
    "Projects and providers": {
        "Project": "Tenants: quotas, members, granted providers",
        "Provider": "Upstreams: address, credential, limits, guards, prices",
        "ProviderModel": "Limits and prices of models",
        "ProviderGrant": "Which project may use which provider",
        "ProviderHealth": "Limits, breakers and holds in force",
        "EmergencyStop": "Stop and resume sending or intake",
        "WebhookEndpoint": "Receivers of events of batches",
        "WebhookDelivery": "Events that were sent to them, or wait",
        "RetentionPolicy": "How long projects keep what",
        "LegalHold": "What may not be removed",
        "Erasure": "Receipts of erasures",
    },
    "Batches": {
        "Batch": "Read batches; act on many at once",
        "BatchObject": "Requests of a batch",
        "ProviderJob": "Jobs at the batch APIs of providers",
        "ProviderJobIncident": "Provider jobs that need or needed a person",
        "BatchResult": "Results, without their bodies",
        "BulkOperation": "Acts on many batches",
        "BulkItem": "The outcome of an act on each batch",
        "SavedView": "Saved filters of the list of batches",
        "File": "Inputs and results",
        "Upload": "Uploads that are not complete",
        "UploadPart": "Parts of such uploads",
    },
    "Failures": {
        "ErrorGroup": "Failures of a project that are alike",
        "BatchErrorGroup": "Error groups of each batch",
        "ErrorGroupHour": "Failures by hour",
        "BatchError": "Each failure of a batch or a request",
    },
    "Engine": {
        "Worker": "Processes that are alive",
        "ProcessReport": "Memory, files and connections of each process",
        "MetricTotal": "Counters of /metrics, over all processes",
        "Slice": "Runs of lines that workers lease",
        "Attempt": "Calls to upstreams that were tried again",
        "Event": "The timelines of batches",
        "BatchMinute": "What settled in each minute",
        "IdempotencyRecord": "Create calls that may be repeated",
        "Leftover": "Rows that are being deleted",
    },
}
OTHERS = "Other tables"


def grouped(listing: Listing) -> Listing:
    """Wrap `AdminSite.get_app_list`: the front page has our groups in the place of Django's apps.

    The page of one app, which Django's breadcrumbs lead to, keeps its models in one list.
    """

    def app_list(request: HttpRequest, app_label: str | None = None) -> AppList:
        apps = listing(request, app_label)
        models = {model["object_name"]: model for app in apps for model in app["models"]}
        for name, about in _abouts().items():
            if name in models:
                models[name]["about"] = about
        if app_label:
            return apps
        groups = {name: [models.pop(model) for model in about if model in models] for name, about in GROUPS.items()}
        groups[OTHERS] = list(models.values())
        return [{"name": name, "models": found} for name, found in groups.items() if found]

    return app_list


def with_latest_acts(index: Index) -> Index:
    """Wrap `AdminSite.index`: the front page shows the latest acts to a person who administers anything."""

    def front_page(request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return index(request, {**(extra_context or {}), "latest_acts": _latest_acts(request)})

    return front_page


def _latest_acts(request: HttpRequest) -> list[Record] | None:
    reader = access(request)
    if not reader.may_somewhere(Right.MANAGE):
        return None
    return audit_page(LogQuestion(within=administered(reader)), size=LATEST).records


def _abouts() -> dict[str, str]:
    return {name: about for group in GROUPS.values() for name, about in group.items()}
