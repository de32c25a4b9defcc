"""A background thread that sends mails, so that response times do not reveal who has an account.

A failure is logged once, by its type and the mail server's code: its text would contain addresses.
Mails that wait when the server stops are lost.
"""

from __future__ import annotations

import logging
import smtplib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import BoundedSemaphore

from django.db import connections

log = logging.getLogger(__name__)

WAITING_MOST = 100

_executor = ThreadPoolExecutor(1, "mail")
_slots = BoundedSemaphore(WAITING_MOST)


def submit(job: Callable[[], None]) -> bool:
    """Run the job in the mail thread. Bound: `WAITING_MOST` wait; False if the job is dropped."""
    if not _slots.acquire(blocking=False):
        log.warning("a mail was not sent: %d are waiting already", WAITING_MOST)
        return False
    _executor.submit(_run, job)
    return True


def _run(job: Callable[[], None]) -> None:
    try:
        job()
    except Exception as error:
        log.error("a mail was not sent: %s", _describe(error))
    finally:
        _slots.release()
        connections.close_all()


def _describe(error: Exception) -> str:
    codes: set[int] = set()
    if isinstance(error, smtplib.SMTPResponseException):
        codes = {error.smtp_code}
    elif isinstance(error, smtplib.SMTPRecipientsRefused):
        codes = {code for code, _ in error.recipients.values()}
    return " ".join([type(error).__name__, *map(str, sorted(codes))])
