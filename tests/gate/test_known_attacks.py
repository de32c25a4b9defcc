"""What this class of software has been broken into by: for each, the tests that hold it off.

Those that belong to a part of the product stand with that part; those that go across it stand in
`test_leaks.py` and `test_words.py`.
"""

from __future__ import annotations

import ast

from tests import ROOT

HELD_OFF = {
    "object-level authorization on a second door": (
        "gate/test_api.py::test_all_rows",
        "gate/test_pages.py::test_all_rows",
        "gate/test_api_errors.py::test_outsider_sees_no_foreign_row_in_any_list",
        "chats/test_stream.py::test_nobody_gets_the_answer_of_another",
    ),
    "broadcast leaks": (
        "gate/test_leaks.py::test_frames_of_one_camera_never_reach_who_watches_another",
    ),
    "sockets without Origin check": (
        "cameras/test_stream.py::test_cookie_needs_a_trusted_origin",
        "cameras/consumers/test_publish_access.py::test_cookie_needs_a_trusted_origin",
    ),
    "rights read only at the handshake": ("gate/test_withdrawal.py::test_it_closes_what_was_open",),
    "SSRF through camera URL, probe, webhook or model URL": (  # there is no webhook
        "cameras/ingest/sources/test_addresses.py::test_loopback_is_closed_in_every_spelling_unless_allowed",
        "cameras/ingest/sources/test_addresses.py::test_the_servers_own_addresses_are_closed_in_every_spelling",
        "cameras/ingest/sources/test_addresses.py::test_link_local_metadata_and_the_like_are_always_closed",
        "cameras/views/test_closed_addresses.py::test_camera_is_stored_only_if_its_address_is_allowed",
        "cameras/views/test_closed_addresses.py::test_connection_test_reaches_only_listed_addresses",
        "cameras/ingest/sources/test_probe.py::test_a_redirect_to_a_closed_address_is_not_followed",
        "chats/providers/test_transport.py::test_the_servers_own_addresses_are_closed_unless_they_are_listed",
        "chats/providers/test_transport.py::test_a_base_url_is_refused_with_a_sentence",
    ),
    "... by a parser mismatch": (
        "cameras/ingest/sources/test_rtsp_messages.py::test_ffmpeg_never_reads_a_redirect_in_what_passes",
        "cameras/ingest/sources/test_rtsp_messages.py::test_what_could_be_read_in_two_ways_is_cut",
        "cameras/ingest/sources/test_addresses.py::test_the_url_is_rebuilt_from_its_parts",
    ),
    "... by redirects": (
        "cameras/ingest/sources/test_rtsp_relay.py::test_a_camera_that_leads_on_is_not_followed",
        "cameras/ingest/sources/test_http_proxy.py::test_a_redirect_to_where_no_camera_lives_is_refused",
        "cameras/ingest/sources/test_http_proxy.py::test_nothing_in_a_playlist_leads_to_a_closed_address",
        "chats/providers/test_transport.py::test_no_redirect_is_followed",
    ),
    "... by IPv4-mapped IPv6": (
        "cameras/ingest/sources/test_addresses.py::test_loopback_is_closed_in_every_spelling_unless_allowed",
        "chats/providers/test_transport.py::test_a_base_url_is_refused_with_a_sentence",
    ),
    "... by a name that changes": (
        "cameras/ingest/sources/test_rtsp_relay.py::test_a_name_is_looked_up_at_the_moment_it_is_dialed_and_only_then",
        "cameras/ingest/sources/test_http_proxy.py::test_a_name_is_checked_at_the_moment_it_is_used",
        "chats/providers/test_transport.py::test_a_name_is_looked_up_once_and_the_checked_ip_dialed",
    ),
    "command execution through source strings": (
        "cameras/ingest/sources/test_opening.py::test_a_source_runs_no_command",
        "cameras/ingest/sources/test_opening.py::test_no_word_of_a_source_becomes_an_option",
    ),
    "path traversal with absolute paths": (
        "cameras/ingest/sources/test_addresses.py::test_an_absolute_path_is_refused_and_does_not_tell_what_is_there",
        "cameras/ingest/sources/test_addresses.py::test_a_file_that_becomes_a_link_out_of_the_folder_is_not_opened",
        "cameras/ingest/custom_models/test_confinement.py::test_outside_data_is_found_in_every_corner_of_a_file",
    ),
    "stored XSS in camera, zone and chat text": (
        "e2e/test_every_page.py::test_every_page_works_and_shows_names_as_text",
        "e2e/chat/test_hostile_words.py::test_no_words_of_a_model_or_a_person_do_anything",
        "project/test_csp.py::test_script_that_was_smuggled_in_does_not_run",
    ),
    "Markdown image exfiltration": (
        "chats/test_markdown.py::test_nothing_in_a_sample_loads_or_runs",
        "e2e/chat/test_hostile_words.py::test_no_words_of_a_model_or_a_person_do_anything",
    ),
    "SSE event injection by newline": (
        "gate/test_untrusted_text.py::test_words_of_a_model_make_no_events",
        "chats/test_stream.py::test_text_that_no_line_survives",
    ),
    "credentials in APIs, logs and errors": (
        "gate/test_leaks.py::test_no_credential_of_any_door_is_logged_or_given_back",
        "project/test_logs.py::test_secrets_are_masked",
        "cameras/ingest/sources/test_addresses.py::test_a_shown_source_has_no_secret",
    ),
    "decompression bombs, NaN boxes, future timestamps": (
        "cameras/test_send.py::test_thirty_thousand_pixels_are_refused_from_the_header",
        "cameras/test_send.py::test_numbers_that_are_none_are_refused",
        "cameras/test_send.py::test_bad_parcel_gets_a_sentence_that_names_the_field",
        "cameras/ingest/worker/test_decode_limits.py::test_a_picture_made_of_scans_is_refused_before_it_is_decoded",
        "cameras/ingest/worker/test_decode_limits.py::test_a_film_of_vast_pictures_is_not_shown",
    ),
    "default passwords": (
        "project/test_setup.py::test_links_are_printed_until_somebody_has_a_password",
    ),
    "ReDoS in search": (
        "gate/test_leaks.py::test_search_takes_words_as_they_are",
        "gate/test_leaks.py::test_a_hostile_search_costs_about_what_a_plain_word_does",
    ),
    "suspended users' tokens that still work": ("gate/test_api.py::test_all_rows",),
    "client-held chat history": (
        "chats/test_stream.py::test_model_is_given_the_history_of_the_server_alone",
    ),
    "prompt injection through names and text in the scene": (
        "gate/test_untrusted_text.py::test_names_of_a_club_never_reach_the_model",
    ),
}


def test_each_has_a_test_that_is_there() -> None:
    assert len([one for one in HELD_OFF if not one.startswith("...")]) == 17
    for breakin, tests in HELD_OFF.items():
        for one in tests:
            file, _, name = one.partition("::")
            tree = ast.parse((ROOT / "tests" / file).read_text())
            names = {
                n.name
                for n in ast.walk(tree)
                if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)
            }
            assert name in names, f"{breakin}: {one}"
