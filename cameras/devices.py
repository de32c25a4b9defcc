"""Browsers in which somebody has signed in before. A cookie says so, and lets nobody in.

Who carries it is not held up by what others tried, under the same name or behind the same address;
its own wrong tries are counted apart, by `cameras/attempts.py`. A stolen one gives nothing but
those tries. (OWASP: slow down online guessing attacks with device cookies.)

The cookie holds a number and a time for each person, signed for this person with what their
sign-ins hold on to: it ends with the password, and tells nobody's name.
"""

from __future__ import annotations

import re
import secrets
from datetime import timedelta

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse

from cameras.models import User

COOKIE = "sideline_device"
LIFE = timedelta(days=180)
NUMBERS = 32  # so many devices of a person are told apart: more share their tries
PEOPLE_MOST = 4  # of one browser; those who came last stay
_ENTRY = re.compile(r"[0-9]{1,2}:[\w-]{1,20}:[\w-]{20,100}", re.ASCII)


def number_for(request: HttpRequest, user: User) -> int | None:
    """Which of the person's devices this browser is; None where they have not signed in here."""
    found = (_number(entry, user) for entry in _entries(request))
    return next((number for number in found if number is not None), None)


def remember(
    request: HttpRequest, answer: HttpResponse, user: User, number: int | None = None
) -> None:
    """Let the browser know the person from now on, who has just shown all that is asked of them.

    It stays the device that it was, for copies of its cookie are to share its tries; `number` says
    which, where the person's sign-ins have ended since.
    """
    number = number_for(request, user) if number is None else number
    number = secrets.randbelow(NUMBERS) if number is None else number
    others = [entry for entry in _entries(request) if _number(entry, user) is None]
    mine = _signer(user, user.get_session_auth_hash()).sign(str(number))
    answer.set_cookie(
        COOKIE,
        ".".join([mine, *others][:PEOPLE_MOST]),
        max_age=LIFE,
        path=settings.SESSION_COOKIE_PATH,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def _entries(request: HttpRequest) -> list[str]:
    parts = request.COOKIES.get(COOKIE, "").split(".", PEOPLE_MOST)[:PEOPLE_MOST]
    return [part for part in parts if _ENTRY.fullmatch(part)]


def _number(entry: str, user: User) -> int | None:
    for proof in (user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()):
        try:
            return int(_signer(user, proof).unsign(entry, max_age=LIFE))
        except signing.BadSignature:
            continue
    return None


def _signer(user: User, proof: str) -> signing.TimestampSigner:
    return signing.TimestampSigner(salt=f"sideline.device.{user.pk}.{proof}")
