"""The acts of the audit log in words, by their names in records. A refused act is called as the act itself."""

from collections.abc import Collection, Mapping

from batches.rules.states import Act, BatchStatus

# The acts on a batch, by the act that its timeline names.
OF_BATCH: Mapping[str, str] = {
    Act.PAUSED: "pause_batch",
    Act.RESUMED: "resume_batch",
    Act.RETRIED: "retry_batch",
    Act.REROUTED: "reroute_batch",
    Act.REPRIORITISED: "prioritise_batch",
    Act.GUARDED: "stop_by_guard",
    Act.REGUARDED: "guards_batch",
    Act.REPAIRED: "repair_batch",
}
CANCEL, NOTE = "cancel_batch", "note_batch"

WORDS: Mapping[str, str] = {
    # Batches and their requests
    "pause_batch": "Pause batch",
    "resume_batch": "Resume batch",
    "retry_batch": "Retry requests",
    "reroute_batch": "Move batch to another provider",
    "prioritise_batch": "Change priority",
    "precede_batch": "Change precedence",
    "stop_by_guard": "Pause batch by its guard",
    "guards_batch": "Change guards",
    "repair_batch": "Repair batch",
    "cancel_batch": "Cancel batch",
    "note_batch": "Note on batch",
    "create_batch": "Create batch",
    "new_batch": "Create batch",
    "update_batch": "Change batch",
    "check_input": "Start batch",
    "discard_input": "Discard draft",
    "edit_object": "Edit and retry request",
    "object": "View request",
    "file": "Download file",
    "merged": "Download merged results",
    "results": "Download results",
    "compare": "Compare batches",
    "compare_objects": "Compare answers",
    "batch_faces": "View batch as clients see it",
    "one_object_of_batch": "View request",
    "results_of_batch": "Read results",
    "results_of_lineage": "Read results of retries",
    "download_of_lineage": "Download results of retries",
    "content_file": "Download file",
    "delete_file": "Delete file",
    "destroy_file": "Delete file",
    "create_file": "Upload file",
    # Many batches
    "bulk_cancel": "Cancel many batches",
    "bulk_pause": "Pause many batches",
    "bulk_resume": "Resume many batches",
    "bulk_retry": "Retry many batches",
    "bulk_reprioritise": "Change priority of many batches",
    "bulk_reroute": "Move many batches to another provider",
    "cancel_bulk": "Stop bulk operation",
    "retry_bulk": "Retry bulk operation",
    "new_bulk": "Act on many batches",
    # Jobs at the providers' batch APIs
    "look_at_job": "Look at provider job",
    "recall_job": "Take provider job back",
    "adopt_job": "Adopt provider job",
    "recreate_job": "Create provider job again",
    "leave_job": "Leave requests of provider job to others",
    "resolve_incident": "Resolve incident of provider job",
    "act_on_jobs": "Act on many provider jobs",
    # Errors
    "mute_error_group": "Mute error group",
    "unmute_error_group": "Unmute error group",
    "note_error_group": "Note on error group",
    "mark_error_group": "Mark error group",
    # Keys and accounts
    "issue_key": "Issue API key",
    "change_key": "Change API key",
    "revoke_key": "Revoke API key",
    "api_keys": "Open API keys",
    "new_api_key": "Issue API key",
    "api_key": "Open API key",
    "revoke_api_key": "Revoke API key",
    "issue_token": "Issue account token",
    "revoke_token": "Revoke account token",
    "audit_log": "Open audit log",
    "export_audit": "Export audit log",
    "export_input_problems": "Export problems of an input",
    "sample_input": "Download sample input",
    "export_audit_jsonl": "Export audit log",
    # Providers
    "add_provider": "Add provider",
    "change_provider": "Change provider",
    "remove_provider": "Remove provider",
    "tune_provider": "Change limits, guards or batch API of provider",
    "tune_model": "Change limits or prices of model",
    "forget_model": "Remove limits and prices of model",
    "set_credential": "Set credential",
    "remove_credential": "Remove credential",
    "rotate_credential": "Encrypt credential anew",
    "set_secret": "Set secret",
    "remove_secret": "Remove secret",
    "enable_provider": "Enable provider",
    "disable_provider": "Disable provider",
    "check_provider": "Check provider",
    "resume_provider": "Resume provider",
    "grant_provider": "Grant provider",
    # Webhooks
    "add_webhook": "Add webhook endpoint",
    "change_webhook": "Change webhook endpoint",
    "rotate_webhook": "Replace secret of webhook endpoint",
    "remove_webhook": "Remove webhook endpoint",
    "disable_webhook": "Disable webhook endpoint",
    "encrypt_webhooks": "Encrypt secrets of webhook endpoints anew",
    "enable_webhook": "Enable webhook endpoint",
    "new_webhook": "Add webhook endpoint",
    "webhook_callbacks": "Add webhook endpoint",
    "test_webhook": "Test webhook endpoint",
    "redeliver_webhook": "Send event to webhook endpoint again",
    # Notices
    "add_subscription": "Subscribe to notices",
    "change_subscription": "Change subscription to notices",
    "pause_subscription": "Pause subscription to notices",
    "resume_subscription": "Resume subscription to notices",
    "stop_subscription": "Stop subscription to notices",
    "test_subscription": "Test subscription to notices",
    "remove_subscription": "Remove subscription to notices",
    "encrypt_subscriptions": "Encrypt URLs of chats anew",
    "notices": "Open notices",
    "new_subscription": "Subscribe to notices",
    # Stops and quotas
    "stop_sending": "Stop sending",
    "stop_intake": "Stop intake",
    "end_stop_of_sending": "End stop of sending",
    "end_stop_of_intake": "End stop of intake",
    "emergency_stops": "Open emergency stops",
    "new_stop": "Begin emergency stop",
    "end_stop": "End emergency stop",
    "set_quotas": "Change quotas",
    "set_delegation": "Change delegation of project",
    "delegation": "Open delegation",
    # Retention, holds and erasure
    "set_retention": "Change retention of project",
    "place_hold": "Place legal hold",
    "release_hold": "Release legal hold",
    "erase": "Erase",
    "complete_erasure": "Complete erasure",
    "kept_data": "Open kept data",
    "project_data": "Change retention of project",
    "new_hold": "Place legal hold",
    "new_erasure": "Erase",
    "erasure": "Open receipt of erasure",
    "retrieve_retention": "Read retention of project",
    "change_retention": "Change retention of project",
    "retrieve_disk_use": "Read stored bytes of project",
    "list_legal_hold": "List legal holds",
    "retrieve_legal_hold": "Read legal hold",
    "place_legal_hold": "Place legal hold",
    "release_legal_hold": "Release legal hold",
    "list_erasure": "List erasures",
    "create_erasure": "Erase",
    "retrieve_erasure": "Open receipt of erasure",
    # People
    "add_user": "Add person",
    "change_user": "Change person",
    "set_password": "Set password",
    "change_password": "Change own password",
    "sign_in": "Sign in",
    "sign_out": "Sign out",
    "end_session": "End session",
    "end_sessions": "End sessions",
    "set_up_second_factor": "Set up second factor",
    "remove_second_factor": "Remove own second factor",
    "reset_second_factor": "Take second factor away",
    "make_recovery_codes": "Make recovery codes",
    "rotate_second_factors": "Encrypt second factors anew",
    "link_account": "Link account to identity provider",
    "add_membership": "Add member",
    "change_membership": "Change role of member",
    "remove_membership": "Remove member",
    # Saved views
    "save_view": "Save view",
    "change_view": "Change view",
    "replace_view": "Change filters of view",
    "delete_view": "Delete view",
    # Projects, and rows that are edited beside others
    "add_project": "Add project",
    "change_project": "Change project",
    "remove_project": "Remove project",
    "add_apikey": "Issue API key",
    "change_apikey": "Change API key",
    "add_accounttoken": "Issue account token",
    "change_accounttoken": "Revoke account token",
    "add_emergencystop": "Begin emergency stop",
    "change_emergencystop": "End emergency stop",
    "add_providergrant": "Grant provider",
    "change_providergrant": "Change grant of provider",
    "remove_providergrant": "Take grant of provider away",
    "add_providermodel": "Add limits or prices of model",
    "change_providermodel": "Change limits or prices of model",
    "remove_providermodel": "Remove limits and prices of model",
}


def choices() -> list[tuple[str, str]]:
    """The acts that a filter offers, in the order of their words. Acts with the same words are one choice."""
    first: dict[str, str] = {}
    for act, words in WORDS.items():
        first.setdefault(words, act)
    return sorted(((act, words) for words, act in first.items()), key=lambda choice: choice[1])


def choice_of(act: str) -> str:
    """The choice of the filter that finds an act; empty if there is none."""
    words = WORDS.get(act)
    return next((first for first, offered in WORDS.items() if offered == words), "") if words else ""


def alike(acts: Collection[str]) -> frozenset[str]:
    """These acts, with all others that have the same words, such as a refused look at the form of an act."""
    wanted = {words_of(act) for act in acts}
    return frozenset(acts) | {act for act, words in WORDS.items() if words in wanted}


def words_of(act: str) -> str:
    """An act in words. An act without words, such as one of another version, is written as words all the same."""
    return WORDS.get(act) or act.replace("_", " ").capitalize()


def act_of_event(act: str, to_status: str) -> str:
    """The name of the act that an event of a timeline tells of."""
    if act:
        return OF_BATCH.get(act, f"{act}_batch")
    return CANCEL if to_status == BatchStatus.CANCELLING else NOTE
