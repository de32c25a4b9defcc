"""Log output: secrets are masked, errors of peers are one line."""

from __future__ import annotations

import logging
import sys
import time

import pytest
from django.core.exceptions import DisallowedHost

from project.settings.logging import PeerErrors, RedactingFormatter, TemporaryRefusals


@pytest.mark.parametrize(
    "message",
    [
        "rtsp://user:hunter2@cam/1",
        "redis://:hunter2@host:6379/0",
        "RTSPS://user:hunter2@cam/1",
        "camera.rtsp://user:hunter2@cam/1",
        "x" * 1970 + "rtsp://u:hunter2hunter2@cam/1",
        "GET /ws/stream/x?ticket=hunter2&a=1",
        "http://cam/video?user=a&pwd=hunter2",
        "Authorization: Bearer hunter2",
        "Authorization: Basic hunter2hunter2==",
        "GET /api/v1/cameras/sk_hunter2hunter2/stream.mjpeg",
        "/ws/stream/sk_hunter2hunter2",
        "/ws/stream/sv_hunter2hunter2",
        "/signin/hunter2hunter2",
        "Gone: /shared/hunter2hunter2:hunter2-hunter2_",
        "/shared/hunter2hunter2%3Ahunter2",
        "/invitations/hunter2-hunter2_",
        "/signin/reset/hunter2/cabc-hunter2hunter2",
    ],
)
def test_secrets_are_masked(message: str) -> None:
    line = formatted(message)
    assert "hunter" not in line
    assert "•••" in line


def formatted(message: str, failure: BaseException | None = None) -> str:
    """Return the formatted record, with a traceback if there is a failure."""
    exc_info = (type(failure), failure, None) if failure else None
    record = logging.LogRecord("x", logging.INFO, "", 0, "Not Found: %s", (message,), exc_info)
    return RedactingFormatter("{levelname} {message}", style="{").format(record)


def test_long_message_is_cut() -> None:
    line = formatted("/" + "a" * 16_000)
    assert line.startswith("INFO Not Found: /aaa")
    assert line.endswith("… (14012 characters more)")
    assert len(line) < 2100
    assert formatted("a" * 1500) == "INFO Not Found: " + "a" * 1500


HOSTILE = ["a", "aA", "://", "a://", "a://:", "://:a", "key=", "passwd", "Bearer ", "Basic ", "sk_",
           "-sk_a", "/signin", "/signin/reset/", "/shared/a", " ", "\n", "a.", "%",
           "é"]  # fmt: skip


@pytest.mark.timing
@pytest.mark.parametrize("piece", HOSTILE, ids=repr)
def test_masking_takes_linear_time(piece: str) -> None:
    """A traceback is not cut, and may contain a client's text. Quadratic time would be minutes."""
    began = time.thread_time()
    line = formatted("", ValueError(piece * (400_000 // len(piece))))
    assert time.thread_time() - began < 10
    assert line.startswith("INFO")


def test_peer_errors_are_one_line_and_own_errors_keep_the_traceback() -> None:
    for error, is_brief in ((ConnectionError("away"), True), (DisallowedHost("evil"), True),
                         (KeyError("ours"), False)):  # fmt: skip
        try:
            raise error
        except Exception:
            record = logging.LogRecord("x", logging.ERROR, "", 0, "failed", (), sys.exc_info())
        assert PeerErrors().filter(record)
        assert (record.exc_info is None) == is_brief
        assert record.getMessage().startswith("failed")


@pytest.mark.parametrize(("status", "is_logged"), [(503, False), (500, True), (404, True)])
def test_responses_that_say_try_again_are_not_logged(status: int, is_logged: bool) -> None:
    record = logging.LogRecord("django.request", logging.ERROR, "", 0, "Failed: /", (), None)
    record.status_code = status
    assert TemporaryRefusals().filter(record) is is_logged
    record.name = "cameras.live"
    assert TemporaryRefusals().filter(record)
