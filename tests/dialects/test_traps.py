"""Where clients of these dialects fall over, and the tests that show that they do not fall here.

Each entry has what goes wrong elsewhere, in a few words, and either the tests that prove that it cannot go wrong here
(module, then names) or the sentence that says why it cannot occur. A test that is renamed or goes away fails this file.
"""

import ast
from functools import cache
from pathlib import Path

import pytest

from tests.dialects.promises import PROMISES

TESTS = Path(__file__).parent.parent

Proofs = dict[str, list[str] | str]

ROUTING: Proofs = {
    "a slashless POST is redirected and comes back as a GET": [
        "dialects/test_routes::test_a_slash_too_many_is_named_and_never_redirected",
        "dialects/test_routes::test_no_answer_is_a_redirect_and_none_is_empty",
        "dialects/openai/test_wire::test_debugging_does_not_change_the_dialect",
    ],
    "a redirect to HTTPS or to another host loses the method and the key": [
        "dialects/test_routes::test_no_answer_is_a_redirect_and_none_is_empty",
        "dialects/openai/test_wire::test_a_host_that_is_not_served_is_refused_in_the_dialects_words",
    ],
    "an id with a slash or dots in it leads to another path": [
        "rules/test_identifiers::test_anything_else_is_no_id",
        "dialects/test_routes::test_an_id_that_is_none_is_not_found",
        "dialects/openai/test_sdk::test_every_error_is_the_one_that_the_sdk_has_a_class_for",
        "dialects/anthropic/test_sdk::test_an_id_with_a_slash_is_not_found",
        "dialects/merge/test_sdk::test_an_id_that_leads_elsewhere_is_not_found",
    ],
    "two products have their files at one path": [
        "http/test_mounts::test_a_prefix_that_is_shared_is_told_by_a_header",
        "dialects/anthropic/test_wire::test_files_are_not_offered_and_not_taken_for_those_of_another_dialect",
        "dialects/anthropic/test_wire::test_without_the_header_of_this_dialect_files_are_the_other_ones",
    ],
}

REQUESTS: Proofs = {
    "content is asked for as application/binary, and refused as not acceptable": [
        "dialects/openai/test_files::test_content_is_sent_as_it_came_whatever_the_client_accepts",
        "dialects/openai/test_wire::test_accept_does_not_matter",
        "dialects/anthropic/test_results::test_the_results_of_a_batch_that_ran",
    ],
    "the framework's limit of a body is below the contract's": [
        "dialects/anthropic/test_create::test_a_body_of_3_mb_is_taken",
        "dialects/anthropic/test_create::test_a_body_over_the_limit_is_refused",
        "dialects/merge/test_create::test_nearly_five_megabytes_are_accepted",
        "dialects/openai/test_files::test_a_file_may_be_longer_than_any_json_body_and_is_sent_in_pieces",
        "dialects/openai/test_wire::test_a_body_over_the_limit_is_refused",
    ],
    "a body comes in chunks and does not say how long it is": [
        "dialects/intake/test_chunked::test_json_is_read_to_its_end_and_no_further_than_its_limit",
        "dialects/intake/test_chunked::test_a_file_is_read_to_its_end",
        "dialects/intake/test_chunked::test_of_a_file_that_was_cut_off_nothing_is_kept",
    ],
    "a cancel says that it is JSON and has no body": [
        "dialects/openai/test_batches::test_cancel_sends_no_body_and_may_be_repeated",
        "dialects/test_routes::test_a_body_that_is_garbage_breaks_nothing",
    ],
    "a form spells nested parameters with brackets or dots, numbers as text": [
        "dialects/openai/test_files::test_a_lifetime_is_read_in_both_spellings",
        "dialects/openai/test_sdk::test_a_file_lives_as_long_as_the_sdk_says",
    ],
    "the parts of a form come in another order": [
        "dialects/openai/test_files::test_a_file_is_shown_with_every_field_of_the_contract",
        "dialects/openai/test_files::test_only_the_name_of_a_file_is_kept_and_none_of_its_path",
    ],
    "a file is called upload and has no telling type": [
        "dialects/openai/test_sdk::test_a_file_is_taken_in_every_form_that_the_sdk_has",
    ],
    "protection against forgery or a login page answers instead": [
        "dialects/openai/test_wire::test_cookies_and_tokens_against_forgery_are_not_asked_for",
        "dialects/anthropic/test_wire::test_cookies_and_tokens_against_forgery_are_not_asked_for",
        "dialects/merge/test_wire::test_cookies_and_tokens_against_forgery_are_not_asked_for",
        "dialects/test_routes::test_without_a_key_the_door_is_closed",
    ],
    "an input has a byte order mark, CRLF, blank lines or no last line end": [
        "rules/lines/test_jsonl::test_blank_lines_count_but_are_not_lines",
        "dialects/openai/test_flow::test_a_file_may_differ_in_what_does_not_matter",
        "dialects/openai/test_flow::test_a_bad_input_fails_the_batch_with_its_code_and_line",
    ],
}

RESULTS: Proofs = {
    "a blank line ends the decoding": [
        "dialects/anthropic/test_results::test_lines_end_in_one_newline_and_none_is_blank",
        "dialects/anthropic/test_results::test_a_batch_without_any_requests_left_has_an_empty_stream",
    ],
    "a line end of two bytes is cut in two": [
        "dialects/anthropic/test_results::test_lines_end_in_one_newline_and_none_is_blank",
        "dialects/anthropic/test_sdk::test_lines_of_every_length_survive_the_decoder",
        "http/test_rendering::test_a_value_is_on_one_line_whatever_it_says",
    ],
    "a line is no JSON, or has numbers that JSON does not have": [
        "http/test_rendering::test_what_is_no_json_number_is_null",
        "rules/lines/test_jsonl::test_dumped_json_is_one_line_without_nan",
        "providers/online/test_openai::test_a_pretty_printed_body_becomes_one_line_with_its_numbers_kept",
        "engine/executor/test_execute::test_garbage_fails_the_object_and_nothing_else",
    ],
    "an unknown type of result is taken for a success": [
        "dialects/anthropic/test_results::test_each_outcome_has_its_type",
        "dialects/anthropic/test_batches::test_every_status_of_a_batch_and_of_an_object_has_its_word",
    ],
    "results_url has braces or dots, is relative, or names a foreign host": [
        "dialects/anthropic/test_results::test_the_results_url_is_under_the_host_and_the_base_url_of_the_request",
        "dialects/anthropic/test_results::test_behind_a_proxy_the_results_url_is_the_one_that_clients_reach",
        "dialects/anthropic/test_results::test_a_host_that_would_spoil_the_results_url_is_refused",
        "dialects/anthropic/test_sdk::test_the_prefixed_base_url_works_down_to_the_results",
    ],
    "a file of results is held whole in memory": [
        "dialects/openai/test_files::test_a_file_may_be_longer_than_any_json_body_and_is_sent_in_pieces",
        "dialects/anthropic/test_results::test_lines_are_sent_in_pieces_of_a_bounded_size",
        "dialects/bifrost/test_results::test_it_is_sent_page_by_page_and_never_held_whole",
        "dialects/test_routes::test_headers_that_nobody_can_read_are_ignored",
    ],
}

PAGES: Proofs = {
    "a list without has_more, or one that ignores its cursor, is read for ever": [
        "dialects/test_conformance::test_pages_hold_every_batch_once_from_the_newest_to_the_oldest",
        "dialects/openai/test_sdk::test_files_are_listed_read_and_deleted",
        "dialects/novita/test_sdk::test_listing_files_and_batches_terminates",
    ],
    "reading a list backwards never ends": [
        "dialects/anthropic/test_sdk::test_batches_are_listed_forwards_and_backwards",
        "dialects/anthropic/test_batches::test_pages_go_forwards_and_backwards",
        "dialects/anthropic/test_batches::test_an_empty_list",
    ],
    "pages shift when times are equal, and an unknown cursor starts again": [
        "dialects/openai/test_file_list::test_pages_hold_every_file_once_though_all_are_of_the_same_moment",
        "dialects/openai/test_file_list::test_a_client_may_delete_what_it_lists_and_go_on",
        "dialects/test_conformance::test_an_unknown_cursor_is_refused",
    ],
}

RETRIES: Proofs = {
    "a create that is sent again makes a second batch": [
        "dialects/test_conformance::test_without_a_key_only_a_retry_is_taken_for_a_repetition",
        "dialects/test_conformance::test_an_idempotency_key_makes_one_batch_of_many_calls",
        "services/intake/test_idempotency::test_a_retry_waits_for_the_first_call_to_finish",
        "services/intake/test_idempotency::test_retries_at_the_same_time_of_what_never_arrived_make_one_batch",
    ],
    "a conflict that stays one is tried again": [
        "dialects/openai/test_batches::test_what_is_over_cannot_be_cancelled_and_sdks_are_told_not_to_insist",
        "dialects/openai/test_sdk::test_cancelling_a_batch_that_is_over_is_a_conflict_at_the_first_try",
        "http/test_errors::test_a_conflict_is_not_to_be_tried_again_unless_it_was_a_race",
    ],
    "a client that does not count its retries writes its records twice": [
        "dialects/merge/test_create::test_without_a_key_the_same_body_is_two_batches",
        "dialects/merge/test_create::test_a_create_call_that_fails_has_committed_nothing",
        "dialects/merge/test_sdk::test_an_idempotency_key_of_the_caller_makes_a_repeated_call_safe",
    ],
    "a long wait is given up, slept through or cut short": [
        "http/test_errors::test_who_is_to_come_back_is_told_when_in_the_one_way_that_every_client_knows",
    ],
    "a wait in milliseconds is not understood by all": [
        "http/test_errors::test_who_is_to_come_back_is_told_when_in_the_one_way_that_every_client_knows",
    ],
    "a hint for those who poll, or a conditional answer, is not heeded": (
        "Nothing is hinted and nothing is conditional: a client that polls is answered in full each time, in a few queries."
    ),
}

SHAPES: Proofs = {
    "clients validate nothing, so that a wrong answer passes unseen": [
        "dialects/openai/test_sdk::test_a_batch_runs_from_upload_to_results",
        "dialects/openai/test_sdk::test_the_asynchronous_client_is_answered_alike",
        "dialects/anthropic/test_sdk::test_a_batch_from_its_creation_to_its_results",
        "dialects/merge/test_sdk::test_records_are_written_and_read_back",
        "clients/test_clients::test_an_old_anthropic_release_with_its_way_to_send_a_key",
        "clients/test_clients::test_the_openai_client_for_node",
    ],
    "a success without a body cannot be decoded": [
        "dialects/test_routes::test_no_answer_is_a_redirect_and_none_is_empty",
        "dialects/openai/test_sdk::test_files_are_listed_read_and_deleted",
        "dialects/anthropic/test_sdk::test_only_an_ended_batch_is_deleted",
    ],
    "errors is missing instead of null, or a list instead of an object": [
        "dialects/openai/test_batches::test_a_new_batch_is_shown_with_every_field_of_the_contract",
        "dialects/openai/test_batches::test_a_failed_batch_says_why",
        "dialects/novita/test_batches::test_what_is_wrong_with_an_input_is_told_as_text",
    ],
    "a time has a fraction where an integer is read, or no offset where text is": [
        "dialects/openai/test_batches::test_a_new_batch_is_shown_with_every_field_of_the_contract",
        "dialects/openai/test_flow::test_every_stamp_is_set_on_the_way_and_stays",
        "dialects/bifrost/test_batches::test_a_cancelled_batch_has_one_l_in_its_status_and_two_in_its_stamps",
        "dialects/anthropic/test_create::test_a_new_batch_is_shown_with_every_field_of_the_contract",
    ],
    "cancelled has one l here and two there, and failures have two names": [
        "dialects/reading/test_faces::test_every_face_that_can_express_a_batch_has_its_own_word_for_where_it_is",
        "dialects/bifrost/test_batches::test_a_cancelled_batch_has_one_l_in_its_status_and_two_in_its_stamps",
        "dialects/merge/test_read::test_a_batch_without_a_single_success_is_failed",
        "dialects/novita/test_batches::test_no_status_is_called_finalizing",
    ],
    "one dialect says type where another says object": [
        "dialects/openai/test_batches::test_a_new_batch_is_shown_with_every_field_of_the_contract",
        "dialects/anthropic/test_create::test_a_new_batch_is_shown_with_every_field_of_the_contract",
        "dialects/anthropic/test_batches::test_a_list_is_newest_first_with_the_ends_named",
    ],
    "an error that the framework or a middleware answers is not in the caller's dialect": [
        "dialects/test_routes::test_a_method_that_is_not_there_is_refused_with_those_that_are",
        "dialects/test_routes::test_without_a_key_the_door_is_closed",
        "dialects/openai/test_wire::test_a_path_that_is_not_there_names_the_base_url",
        "dialects/openai/test_wire::test_an_error_that_nobody_foresaw_is_logged_under_the_id_that_the_client_got",
        "dialects/anthropic/test_wire::test_what_django_refuses_is_refused_in_the_dialects_words",
        "dialects/merge/test_wire::test_a_host_that_is_not_served_is_refused_in_the_dialects_words",
        "http/test_errors::test_every_problem_has_a_status_and_tells_no_secret",
    ],
    "the id of a request has another header's name": [
        "dialects/test_routes::test_every_answer_names_its_request",
    ],
    "what is not set is null, left out or an empty string": [
        "dialects/openai/test_batches::test_a_new_batch_is_shown_with_every_field_of_the_contract",
        "dialects/bifrost/test_batches::test_the_answer_to_a_create_call_has_its_fields_and_nothing_empty",
        "dialects/novita/test_batches::test_a_new_batch_is_shown_with_every_field_of_the_contract",
    ],
    "metadata is counted in bytes, takes numbers, or is taken where there is none": [
        "dialects/openai/test_batch_creation::test_metadata_comes_back_as_it_was_given",
        "dialects/openai/test_batch_creation::test_what_is_null_is_as_if_it_was_not_there",
        "dialects/openai/test_batch_creation::test_a_wrong_parameter_is_refused_by_its_name",
        "dialects/anthropic/test_create::test_a_body_that_cannot_be_taken_is_refused_as_a_whole",
    ],
    "an empty file of errors is looked for where there were none": [
        "dialects/openai/test_sdk::test_a_batch_runs_from_upload_to_results",
    ],
    "two lifetimes look alike and begin at different times": [
        "dialects/openai/test_files::test_a_lifetime_is_read_in_both_spellings",
        "dialects/openai/test_files::test_a_form_with_a_wrong_field_is_refused_by_its_name",
        "dialects/openai/test_flow::test_output_files_live_as_long_as_the_client_asked",
    ],
    "results are refused by the client itself, and no server log says why": [
        "dialects/anthropic/test_sdk::test_a_batch_from_its_creation_to_its_results",
        "dialects/anthropic/test_sdk::test_results_after_the_archive_say_so",
    ],
    "headers of SDKs have values that cannot be parsed": [
        "dialects/test_routes::test_headers_that_nobody_can_read_are_ignored",
        "dialects/anthropic/test_wire::test_headers_of_the_sdk_are_never_parsed_strictly",
    ],
}


EVERYTHING: Proofs = {**ROUTING, **REQUESTS, **RESULTS, **PAGES, **RETRIES, **SHAPES, **PROMISES}


@cache
def names_in(module: str) -> frozenset[str]:
    """The names of a module's tests."""
    tree = ast.parse((TESTS / f"{module}.py").read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"))


@pytest.mark.parametrize("trap", EVERYTHING)
def test_whoever_would_take_a_proof_away_is_told_what_it_proved(trap: str) -> None:
    proof = EVERYTHING[trap]
    if isinstance(proof, str):
        assert proof.endswith(".")
        return
    assert proof
    for module, name in (test.split("::") for test in proof):
        assert name in names_in(module), f"{module} has no {name}"
