"""Log messages about mails that were not sent."""

from __future__ import annotations

import logging
import smtplib

import pytest

from project.accounts import mail
from tests.waiting import until

FAILURES = {
    "SMTPRecipientsRefused 550": smtplib.SMTPRecipientsRefused(
        {"anna@example.org": (550, b"no anna@example.org here")}
    ),
    "SMTPSenderRefused 553": smtplib.SMTPSenderRefused(
        553, b"anna@example.org?", "anna@example.org"
    ),
    "ValueError": ValueError("anna@example.org is odd"),
}


@pytest.mark.parametrize("description", FAILURES)
def test_failed_mail_is_logged_without_the_address(
    description: str, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise FAILURES[description]

    with caplog.at_level(logging.ERROR, "project.accounts.mail"):
        assert mail.submit(fail)
        until(lambda: bool(caplog.records), 30, "the log")
    assert caplog.messages == [f"a mail was not sent: {description}"]
    assert "anna" not in caplog.text
