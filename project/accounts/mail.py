"""Mails are sent beside the request, so that how long an answer takes tells nothing.

One thread of the process, which owns itself. A failure is logged once, by its kind and the mail
server's code: its words would hold addresses. Mails that wait when the server stops are lost.
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

_thread = ThreadPoolExecutor(1, "postman")
_room = BoundedSemaphore(WAITING_MOST)


def later(job: Callable[[], None]) -> bool:
    """Do it soon. Bound: `WAITING_MOST` wait; False where there are more, and nothing is done."""
    if not _room.acquire(blocking=False):
        log.warning("a mail was not sent: %d are waiting already", WAITING_MOST)
        return False
    _thread.submit(_do, job)
    return True


def _do(job: Callable[[], None]) -> None:
    try:
        job()
    except Exception as error:
        log.error("a mail was not sent: %s", _kind(error))
    finally:
        _room.release()
        connections.close_all()


def _kind(error: Exception) -> str:
    codes: set[int] = set()
    if isinstance(error, smtplib.SMTPResponseException):
        codes = {error.smtp_code}
    elif isinstance(error, smtplib.SMTPRecipientsRefused):
        codes = {code for code, _ in error.recipients.values()}
    return " ".join([type(error).__name__, *map(str, sorted(codes))])
