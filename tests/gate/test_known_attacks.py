"""Known attacks on this kind of software, and the tests that cover each.

Tests of one part of the product are next to its other tests; those that span several parts are in
`test_leaks.py` and `test_untrusted_text.py`.
"""

from __future__ import annotations

import ast

from tests import ROOT

TESTS_BY_ATTACK = {
    "object-level authorization on a second route": (
        "gate/test_api.py::test_all_rows",
        "gate/test_pages.py::test_all_rows",
        "gate/test_api_errors.py::test_outsider_sees_no_foreign_row_in_any_list",
        "cameras/views/test_local_sources.py::test_foreign_source_is_refused_by_form_api_and_test",
        "chats/test_stream.py::test_anonymous_client_cannot_reach_an_answer",
    ),
    "broadcast leaks": ("gate/test_leaks.py::test_frames_never_reach_viewers_of_another_camera",),
    "sockets without Origin check": (
        "cameras/test_stream.py::test_cookie_needs_a_trusted_origin",
        "cameras/consumers/test_publish_access.py::test_cookie_needs_a_trusted_origin",
    ),
    "... or with a guest's session in another browser": (
        "cameras/views/test_share_links_live.py::test_visit_opens_few_sockets_and_none_elsewhere",
        "cameras/views/test_share_links.py::test_ticket_is_refused_to_others",
    ),
    "rights read only at the handshake": (
        "gate/test_withdrawal.py::test_revocation_closes_open_connections",
    ),
    "SSRF through camera URL, probe, webhook or model URL": (  # there is no webhook
        "cameras/ingest/sources/test_addresses.py::test_loopback_is_forbidden_in_every_spelling_unless_allowed",
        "cameras/ingest/sources/test_addresses.py::test_own_addresses_are_forbidden_in_every_spelling",
        "cameras/ingest/sources/test_addresses.py::test_link_local_and_metadata_addresses_are_always_forbidden",
        "cameras/views/test_closed_addresses.py::test_camera_is_stored_only_if_its_address_is_allowed",
        "cameras/views/test_closed_addresses.py::test_connection_test_reaches_only_listed_addresses",
        "cameras/ingest/sources/test_probe.py::test_redirect_to_a_forbidden_address_is_not_followed",
        "chats/providers/test_transport.py::test_own_addresses_of_the_server_are_closed_unless_listed",
        "chats/providers/test_transport.py::test_invalid_base_url_is_refused_with_a_sentence",
    ),
    "... by a parser mismatch": (
        "cameras/ingest/sources/test_rtsp_messages.py::test_ffmpeg_reads_no_redirect_in_bytes_that_pass",
        "cameras/ingest/sources/test_rtsp_messages.py::test_ambiguous_message_is_refused",
        "cameras/ingest/sources/test_addresses.py::test_url_is_rebuilt_from_its_parts",
        "cameras/ingest/sources/test_http_client.py::test_path_cannot_end_the_request_line",
    ),
    "... by other protocols in a playlist": (
        "cameras/ingest/sources/test_media_io.py::test_playlist_leads_nowhere_else",
        "cameras/ingest/sources/test_media_io.py::test_playlist_cannot_read_a_file",
        "cameras/ingest/worker/test_capture_files.py::test_file_of_a_camera_leads_nowhere",
    ),
    "... by redirects": (
        "cameras/ingest/sources/test_rtsp_relay.py::test_rtsp_redirect_is_not_followed",
        "cameras/ingest/sources/test_http_client.py::test_redirect_to_a_closed_address_is_refused",
        "cameras/ingest/sources/test_media_io.py::test_playlist_leads_nowhere_else",
        "chats/providers/test_transport.py::test_redirects_are_not_followed",
    ),
    "... by IPv4-mapped IPv6": (
        "cameras/ingest/sources/test_addresses.py::test_loopback_is_forbidden_in_every_spelling_unless_allowed",
        "chats/providers/test_transport.py::test_invalid_base_url_is_refused_with_a_sentence",
    ),
    "... by a name that changes": (
        "cameras/ingest/sources/test_rtsp_relay.py::test_name_is_resolved_once_when_it_is_dialed",
        "cameras/ingest/sources/test_http_client.py::test_name_is_checked_each_time_it_is_dialed",
        "chats/providers/test_transport.py::test_name_is_resolved_once_and_the_checked_ip_dialed",
    ),
    "command execution through source strings": (
        "cameras/ingest/worker/test_reasons.py::test_source_runs_no_command",
        "cameras/ingest/worker/test_reasons.py::test_source_text_never_becomes_an_ffmpeg_option",
    ),
    "path traversal with absolute paths": (
        "cameras/ingest/sources/test_addresses.py::test_absolute_path_is_refused_without_revealing_files",
        "cameras/ingest/sources/test_addresses.py::test_symlink_out_of_the_media_folder_is_not_opened",
        "cameras/test_local_sources.py::test_file_of_another_organization_is_as_one_that_does_not_exist",
        "cameras/ingest/custom_models/test_confinement.py::test_model_with_external_data_is_refused",
        "cameras/ingest/custom_models/test_confinement.py::test_model_with_external_data_anywhere_is_refused",
    ),
    "stored XSS in camera, zone and chat text": (
        "e2e/test_every_page.py::test_every_page_works_and_shows_names_as_text",
        "e2e/chat/test_hostile_words.py::test_hostile_text_executes_and_requests_nothing",
        "project/test_csp.py::test_injected_script_does_not_run",
    ),
    "Markdown image exfiltration": (
        "chats/test_markdown.py::test_nothing_in_a_sample_loads_or_runs",
        "e2e/chat/test_hostile_words.py::test_hostile_text_executes_and_requests_nothing",
    ),
    "SSE event injection by newline": (
        "gate/test_untrusted_text.py::test_model_text_cannot_inject_events",
        "chats/test_stream.py::test_text_with_line_breaks_stays_one_data_line",
    ),
    "credentials in APIs, logs and errors": (
        "gate/test_leaks.py::test_credentials_are_never_logged_or_returned",
        "project/test_logs.py::test_secrets_are_masked",
        "project/test_masked_logs.py::test_nginx_logs_no_credential",
        "cameras/ingest/sources/test_addresses.py::test_redacted_source_contains_no_secret",
    ),
    "places in the metadata of pictures": (
        "gate/test_leaks.py::test_place_where_a_picture_was_taken_reaches_no_viewer",
        "cameras/live/test_jpeg.py::test_only_the_picture_is_left",
    ),
    "decompression bombs, NaN boxes, future timestamps": (
        "cameras/test_send.py::test_too_wide_picture_is_refused_from_its_header",
        "cameras/test_send.py::test_non_finite_numbers_are_refused",
        "cameras/test_send.py::test_invalid_field_is_named_in_the_problem",
        "cameras/ingest/worker/test_decode_limits.py::test_jpeg_with_too_many_scans_is_refused_before_decoding",
        "cameras/ingest/worker/test_decode_limits.py::test_video_with_too_large_pictures_is_not_shown",
    ),
    "default passwords": (
        "project/test_setup.py::test_sign_in_links_are_printed_until_a_user_has_a_password",
    ),
    "ReDoS in search": (
        "gate/test_leaks.py::test_search_matches_text_literally",
        "gate/test_leaks.py::test_hostile_search_is_about_as_fast_as_a_plain_one",
    ),
    "suspended users' tokens that still work": ("gate/test_api.py::test_all_rows",),
    "... or tokens' and former members' keys and links": (
        "cameras/views/test_passes.py::test_pass_ends_with_the_token_however_far_above",
        "cameras/views/test_passes.py::test_membership_ends_what_was_made_by_it_for_good",
        "cameras/views/test_passes.py::test_nothing_is_made_with_a_token_that_has_just_been_revoked",
    ),
    "client-held chat history": (
        "chats/test_stream.py::test_model_receives_only_the_stored_history",
    ),
    "prompt injection through names and text in the scene": (
        "gate/test_untrusted_text.py::test_organization_names_are_not_sent_to_the_model",
    ),
}


def test_listed_tests_exist() -> None:
    assert len([attack for attack in TESTS_BY_ATTACK if not attack.startswith("...")]) == 18
    for attack, tests in TESTS_BY_ATTACK.items():
        for test_id in tests:
            file, _, name = test_id.partition("::")
            tree = ast.parse((ROOT / "tests" / file).read_text())
            names = {
                node.name
                for node in ast.walk(tree)
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            }
            assert name in names, f"{attack}: {test_id}"
