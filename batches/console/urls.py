"""The console's addresses. An address names everything that its page shows, so it can be kept, shared and reloaded."""

import uuid

from django.urls import path, register_converter
from django.urls.converters import StringConverter

from batches.console.kit.lists.list_export import export_batches
from batches.console.pages.acts.act_on_batch import ACTS, act_on_batch
from batches.console.pages.acts.bulk_new import new_bulk
from batches.console.pages.acts.bulk_operations import bulk_operation, bulk_operations, cancel_bulk, export_outcomes, retry_bulk
from batches.console.pages.acts.check_input import check_input, discard_input, export_input_problems
from batches.console.pages.acts.delegation import delegation
from batches.console.pages.acts.edit_object import edit_object
from batches.console.pages.acts.new_batch import new_batch
from batches.console.pages.acts.retry_batch import retry_batch
from batches.console.pages.acts.sample_input import sample_input
from batches.console.pages.batches.batch_faces import batch_faces
from batches.console.pages.batches.batch_history import batch_history
from batches.console.pages.batches.batch_jobs import batch_jobs
from batches.console.pages.batches.batch_list import batch_list
from batches.console.pages.batches.batch_page import batch_page
from batches.console.pages.batches.downloads import download_file, export_batch, export_batch_problems
from batches.console.pages.batches.ended_batches import ended_batches
from batches.console.pages.batches.object_page import object_page
from batches.console.pages.batches.views_saved import edit_view, new_view, saved_view, saved_views
from batches.console.pages.data.erasures import erasure_page, new_erasure
from batches.console.pages.data.kept_data import kept_data, project_data
from batches.console.pages.data.legal_holds import new_hold, release_legal_hold
from batches.console.pages.jobs.job_acts import JOB_ACTS, act_on_job, look_at_job, resolve_incident
from batches.console.pages.jobs.job_export import export_jobs
from batches.console.pages.jobs.job_list import job_list
from batches.console.pages.jobs.job_page import job_page
from batches.console.pages.jobs.many_jobs import act_on_jobs
from batches.console.pages.notices.subscription_pages import (
    change_subscription,
    new_subscription,
    notices,
    remove_subscription,
    subscription_page,
    switch_subscription,
    test_subscription,
)
from batches.console.pages.outcomes.compare_batches import compare_batches, compare_objects
from batches.console.pages.outcomes.compare_ticked import compare_ticked, export_compared
from batches.console.pages.outcomes.error_group import error_group, mark_error_group
from batches.console.pages.outcomes.error_list import error_list
from batches.console.pages.portal.api_keys import api_key, api_keys, new_api_key, revoke_api_key
from batches.console.pages.portal.audit_log import audit_log, export_audit
from batches.console.pages.portal.emergency_stops import emergency_stops, end_emergency_stop, new_stop
from batches.console.pages.portal.overview import home, overview
from batches.console.pages.portal.providers import check_provider, provider_list, provider_page, resume_provider
from batches.console.pages.portal.search_page import search_page
from batches.console.pages.webhooks.delivery_page import delivery_page, send_again
from batches.console.pages.webhooks.endpoint_acts import (
    change_endpoint,
    new_endpoint,
    remove_endpoint,
    rotate_secret,
    switch_endpoint,
    test_endpoint,
    webhook_callbacks,
)
from batches.console.pages.webhooks.endpoint_list import endpoint_list
from batches.console.pages.webhooks.endpoint_page import endpoint_page
from batches.rules import fingerprints, identifiers


class BatchId:
    """A batch's id in any of its forms."""

    regex = "[A-Za-z0-9_-]+"

    def to_python(self, value: str) -> uuid.UUID:
        identifier = identifiers.parse(value)
        if identifier is None:
            raise ValueError
        return identifier

    def to_url(self, value: uuid.UUID) -> str:
        return identifiers.render("batch_", value)


class FileId(BatchId):
    """A file's id in any of its forms."""

    def to_url(self, value: uuid.UUID) -> str:
        return identifiers.render("file-", value)


class Fingerprint(StringConverter):
    """The fingerprint of an error group."""

    regex = fingerprints.PATTERN


register_converter(BatchId, "batch_id")
register_converter(FileId, "file_id")
register_converter(Fingerprint, "fingerprint")

app_name = "console"
urlpatterns = [
    path("", home, name="home"),
    path("overview/", overview, name="overview"),
    path("search/", search_page, name="search"),
    path("providers/", provider_list, name="providers"),
    path("providers/<slug:name>/", provider_page, name="provider"),
    path("providers/<slug:name>/check/", check_provider, name="check_provider"),
    path("providers/<slug:name>/resume/", resume_provider, name="resume_provider"),
    path("batches/", batch_list, name="batches"),
    path("batches/export.csv", export_batches, {"form": "csv"}, name="export_csv"),
    path("batches/export.jsonl", export_batches, {"form": "jsonl"}, name="export_jsonl"),
    path("batches/ended/", ended_batches, name="ended_batches"),
    path("views/", saved_views, name="saved_views"),
    path("views/new/", new_view, name="new_view"),
    path("views/<slug:slug>/", saved_view, name="saved_view"),
    path("views/<slug:slug>/edit/", edit_view, name="edit_view"),
    path("batches/new/", new_batch, name="new_batch"),
    path("batches/new/sample/", sample_input, name="sample_input"),
    path("batches/new/<file_id:file_id>/problems/", export_input_problems, name="export_input_problems"),
    path("batches/new/<file_id:file_id>/", check_input, name="check_input"),
    path("batches/new/<file_id:file_id>/discard/", discard_input, name="discard_input"),
    path("batches/compare/", compare_ticked, name="compare_ticked"),
    path("batches/<batch_id:batch_id>/", batch_page, name="batch"),
    path("batches/<batch_id:batch_id>/compare/", compare_batches, name="compare"),
    path("batches/<batch_id:batch_id>/compare/pairs/", export_compared, name="export_pairs"),
    path("batches/<batch_id:batch_id>/compare/object/", compare_objects, name="compare_objects"),
    *(path(f"batches/<batch_id:batch_id>/{word}/", act_on_batch, {"word": word}, name=f"{word}_batch") for word in ACTS),
    path("batches/<batch_id:batch_id>/retry/", retry_batch, name="retry_batch"),
    path("batches/<batch_id:batch_id>/files/<str:which>/", download_file, name="file"),
    path("batches/<batch_id:batch_id>/history/", batch_history, name="batch_history"),
    path("batches/<batch_id:batch_id>/jobs/", batch_jobs, name="batch_jobs"),
    path("batches/<batch_id:batch_id>/faces/", batch_faces, name="batch_faces"),
    path("batches/<batch_id:batch_id>/export/", export_batch, name="export_batch"),
    path("batches/<batch_id:batch_id>/problems/", export_batch_problems, name="export_batch_problems"),
    path("batches/<batch_id:batch_id>/lines/<int:line>/", object_page, name="object"),
    path("batches/<batch_id:batch_id>/lines/<int:line>/edit/", edit_object, name="edit_object"),
    path("jobs/", job_list, name="provider_jobs"),
    path("jobs/export.csv", export_jobs, {"form": "csv"}, name="export_jobs_csv"),
    path("jobs/export.jsonl", export_jobs, {"form": "jsonl"}, name="export_jobs_jsonl"),
    path("jobs/act/", act_on_jobs, name="act_on_jobs"),
    path("jobs/<uuid:job_id>/", job_page, name="provider_job"),
    path("jobs/<uuid:job_id>/look/", look_at_job, name="look_at_job"),
    *(path(f"jobs/<uuid:job_id>/{word}/", act_on_job, {"word": word}, name=f"{word}_job") for word in JOB_ACTS),
    path("jobs/<uuid:job_id>/incidents/<slug:code>/", resolve_incident, name="resolve_incident"),
    path("errors/", error_list, name="errors"),
    path("errors/<fingerprint:fingerprint>/", error_group, name="error_group"),
    path("errors/<fingerprint:fingerprint>/mark/", mark_error_group, name="mark_error_group"),
    path("keys/", api_keys, name="api_keys"),
    path("keys/new/", new_api_key, name="new_api_key"),
    path("keys/<uuid:key_id>/", api_key, name="api_key"),
    path("keys/<uuid:key_id>/revoke/", revoke_api_key, name="revoke_api_key"),
    path("webhooks/", endpoint_list, name="webhooks"),
    path("webhooks/new/", new_endpoint, name="new_webhook"),
    path("webhooks/callbacks/", webhook_callbacks, name="webhook_callbacks"),
    path("webhooks/<uuid:endpoint_id>/", endpoint_page, name="webhook"),
    path("webhooks/<uuid:endpoint_id>/change/", change_endpoint, name="change_webhook"),
    path("webhooks/<uuid:endpoint_id>/rotate/", rotate_secret, name="rotate_webhook"),
    path("webhooks/<uuid:endpoint_id>/test/", test_endpoint, name="test_webhook"),
    path("webhooks/<uuid:endpoint_id>/enable/", switch_endpoint, {"enabled": True}, name="enable_webhook"),
    path("webhooks/<uuid:endpoint_id>/disable/", switch_endpoint, {"enabled": False}, name="disable_webhook"),
    path("webhooks/<uuid:endpoint_id>/remove/", remove_endpoint, name="remove_webhook"),
    path("webhooks/deliveries/<uuid:delivery_id>/", delivery_page, name="webhook_delivery"),
    path("webhooks/deliveries/<uuid:delivery_id>/send/", send_again, name="redeliver_webhook"),
    path("account/notices/", notices, name="notices"),
    path("account/notices/new/", new_subscription, name="new_subscription"),
    path("account/notices/<uuid:subscription_id>/", subscription_page, name="subscription"),
    path("account/notices/<uuid:subscription_id>/change/", change_subscription, name="change_subscription"),
    path("account/notices/<uuid:subscription_id>/test/", test_subscription, name="test_subscription"),
    path("account/notices/<uuid:subscription_id>/pause/", switch_subscription, {"enabled": False}, name="pause_subscription"),
    path("account/notices/<uuid:subscription_id>/resume/", switch_subscription, {"enabled": True}, name="resume_subscription"),
    path("account/notices/<uuid:subscription_id>/remove/", remove_subscription, name="remove_subscription"),
    path("audit/", audit_log, name="audit_log"),
    path("audit/export.csv", export_audit, {"form": "csv"}, name="export_audit"),
    path("audit/export.jsonl", export_audit, {"form": "jsonl"}, name="export_audit_jsonl"),
    path("delegation/", delegation, name="delegation"),
    path("data/", kept_data, name="kept_data"),
    path("data/<slug:project>/", project_data, name="project_data"),
    path("data/<slug:project>/hold/", new_hold, name="new_hold"),
    path("data/<slug:project>/erase/", new_erasure, name="new_erasure"),
    path("data/holds/<uuid:hold_id>/release/", release_legal_hold, name="release_hold"),
    path("data/erasures/<uuid:erasure_id>/", erasure_page, name="erasure"),
    path("stops/", emergency_stops, name="emergency_stops"),
    path("stops/new/", new_stop, name="new_stop"),
    path("stops/<uuid:stop_id>/end/", end_emergency_stop, name="end_stop"),
    path("bulk/", bulk_operations, name="bulk"),
    path("bulk/new/", new_bulk, name="new_bulk"),
    path("bulk/<uuid:operation_id>/", bulk_operation, name="bulk_operation"),
    path("bulk/<uuid:operation_id>/cancel/", cancel_bulk, name="cancel_bulk"),
    path("bulk/<uuid:operation_id>/retry/", retry_bulk, name="retry_bulk"),
    path("bulk/<uuid:operation_id>/outcomes.csv", export_outcomes, name="bulk_outcomes"),
]
