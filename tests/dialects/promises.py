"""What a portal has to show to whoever doubts it, beyond the traps: a promise, and the tests that keep it."""

PROMISES: dict[str, list[str] | str] = {
    "OpenAI's SDK: files, batches, pages, content, cancelling, deleting, uploads in parts": [
        "dialects/openai/test_sdk::test_a_file_is_taken_in_every_form_that_the_sdk_has",
        "dialects/openai/test_sdk::test_files_are_listed_read_and_deleted",
        "dialects/openai/test_sdk::test_batches_are_listed_and_read",
        "dialects/openai/test_sdk::test_cancelling_a_batch_that_is_over_is_a_conflict_at_the_first_try",
        "dialects/openai/test_sdk::test_an_upload_in_two_parts_becomes_a_file",
        "dialects/openai/test_sdk::test_a_batch_runs_from_upload_to_results",
    ],
    "every problem of an input fails the batch with its code and line, and leaves no output": [
        "dialects/openai/test_flow::test_a_bad_input_fails_the_batch_with_its_code_and_line",
        "dialects/openai/test_flow::test_an_input_with_too_many_lines_fails",
        "dialects/openai/test_flow::test_every_bad_line_is_reported",
    ],
    "a mixed batch has every request in one of two files, and counts that agree": [
        "dialects/openai/test_flow::test_a_mixed_batch_has_each_request_in_one_of_its_files_in_input_order",
        "services/lifecycle/test_finalize::test_a_batch_with_every_outcome_ends_with_two_files_that_are_the_input",
    ],
    "a batch that expires or is cancelled keeps what it has, and says of the rest why it never ran": [
        "services/lifecycle/test_finalize::test_what_did_not_run_in_time_is_told_as_expired",
        "dialects/openai/test_flow::test_answers_can_be_had_while_other_requests_wait",
        "dialects/openai/test_flow::test_a_cancelled_batch_says_of_each_request_that_it_never_ran",
    ],
    "Anthropic's SDK, new and old: both keys, pages both ways, cancelling, all four types, deleting, the archive": [
        "dialects/anthropic/test_sdk::test_a_batch_from_its_creation_to_its_results",
        "dialects/anthropic/test_sdk::test_batches_are_listed_forwards_and_backwards",
        "dialects/anthropic/test_sdk::test_cancelling_twice_and_after_the_end",
        "dialects/anthropic/test_sdk::test_results_of_all_four_types_are_told_apart",
        "dialects/anthropic/test_sdk::test_only_an_ended_batch_is_deleted",
        "dialects/anthropic/test_sdk::test_results_after_the_archive_say_so",
        "clients/test_clients::test_an_old_anthropic_release_with_its_way_to_send_a_key",
    ],
    "a body of 3 MB is taken, and one over the limit refused in Anthropic's words": [
        "dialects/anthropic/test_sdk::test_a_body_of_3_mb_is_taken_and_one_above_the_cap_is_not",
    ],
    "Merge's SDK: four models, refusals, a rate limit on the way, accounts, no batch of another model": [
        "dialects/merge/test_sdk::test_records_are_written_and_read_back",
        "dialects/merge/test_sdk::test_what_is_no_batch_is_refused_with_a_list_of_errors",
        "dialects/merge/test_sdk::test_a_rate_limit_is_a_status_on_the_way_to_success",
        "dialects/merge/test_sdk::test_a_call_without_an_account_token_is_refused",
        "dialects/merge/test_sdk::test_a_batch_of_another_model_or_project_is_not_found",
    ],
    "Novita through OpenAI's SDK: bare rows, times as text, lists that end": [
        "dialects/novita/test_sdk::test_a_batch_runs_from_upload_to_results",
        "dialects/novita/test_sdk::test_listing_files_and_batches_terminates",
        "dialects/novita/test_batches::test_rows_need_neither_method_nor_url_and_come_back_in_openais_shape",
        "dialects/novita/test_batches::test_a_new_batch_is_shown_with_every_field_of_the_contract",
    ],
    "Bifrost over plain HTTP: a provider, one kind of input, results as JSON": [
        "dialects/bifrost/test_create::test_without_a_provider_nothing_is_created",
        "dialects/bifrost/test_create::test_a_wrong_parameter_is_refused_by_its_name",
        "dialects/bifrost/test_clients::test_a_batch_runs_from_its_creation_to_its_results_over_plain_http",
        "dialects/bifrost/test_batches::test_a_cancelled_batch_has_one_l_in_its_status_and_two_in_its_stamps",
    ],
    "one batch through every face, at every step": [
        "dialects/reading/test_faces::test_every_face_that_can_express_a_batch_has_its_own_word_for_where_it_is",
        "dialects/reading/test_faces::test_a_face_that_cannot_express_a_batch_names_one_that_can",
        "dialects/reading/test_faces::test_counts_are_told_in_each_contracts_way",
    ],
    "what belongs to another tenant is not found": [
        "dialects/test_routes::test_what_belongs_to_somebody_else_is_not_found",
        "dialects/test_routes::test_a_list_has_nothing_of_somebody_else",
    ],
    "odd slashes, methods, bodies, queries and ids break nothing": [
        "dialects/test_routes::test_a_slash_too_many_is_named_and_never_redirected",
        "dialects/test_routes::test_a_method_that_is_not_there_is_refused_with_those_that_are",
        "dialects/test_routes::test_a_body_that_is_garbage_breaks_nothing",
        "dialects/test_routes::test_c7_query_parameters_that_nobody_knows_are_refused_but_for_those_of_sdks",
        "dialects/test_routes::test_an_id_that_is_none_is_not_found",
    ],
}
