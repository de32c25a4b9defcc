"""No secret reaches the log, and other people's faults leave one line."""

from __future__ import annotations

import logging
import sys

import pytest
from django.core.exceptions import DisallowedHost

from project.logs import OthersFaults, RedactingFormatter

pytestmark = pytest.mark.one_database


@pytest.mark.parametrize(
    "said",
    [
        "rtsp://user:hunter2@cam/1",
        "redis://:hunter2@host:6379/0",
        "GET /ws/stream/x?ticket=hunter2&a=1",
        "http://cam/video?user=a&pwd=hunter2",
        "Authorization: Bearer hunter2",
        "/ws/stream/sk_hunter2hunter2",
        "/ws/stream/sv_hunter2hunter2",
        "/signin/hunter2hunter2",
        "Gone: /shared/hunter2hunter2:hunter2-hunter2_",
        "/shared/hunter2hunter2%3Ahunter2",
        "/invitations/hunter2-hunter2_",
        "/signin/reset/hunter2/cabc-hunter2hunter2",
    ],
)
def test_secrets_are_masked(said: str) -> None:
    record = logging.LogRecord("x", logging.INFO, "", 0, said, (), None)
    line = RedactingFormatter("{message}", style="{").format(record)
    assert "hunter2" not in line
    assert "•••" in line


def test_fault_of_a_peer_is_one_line_and_our_own_keeps_its_traceback() -> None:
    for error, brief in ((ConnectionError("away"), True), (DisallowedHost("evil"), True),
                         (KeyError("ours"), False)):  # fmt: skip
        try:
            raise error
        except Exception:
            record = logging.LogRecord("x", logging.ERROR, "", 0, "failed", (), sys.exc_info())
        assert OthersFaults().filter(record)
        assert (record.exc_info is None) == brief
        assert record.getMessage().startswith("failed")
