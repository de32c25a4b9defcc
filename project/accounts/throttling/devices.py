"""Browsers in which somebody has signed in before. A cookie says so, and lets nobody in.

Who carries it is not held up by what others tried, under the same name or behind the same address;
its own wrong tries are counted apart, by attempts.py. A stolen one gives nothing but those tries.
(OWASP: slow down online guessing attacks with device cookies.)

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

from project.accounts.models import User

COOKIE = "sideline_device"
LIFE = timedelta(days=180)
NUMBERS = 32  # so many devices of a person are told apart: more share their tries
PEOPLE_MOST = 4  # of one browser; those who came last stay
_ENTRY = re.compile(r"[0-9]{1,2}:[\w-]{1,20}:[\w-]{20,100}", re.ASCII)


def number_for(request: HttpRequest, user: User) -> int | None:
    """Which of the person's devices this browser is; None where they have not signed in here."""
    signers = _signers(user)
    found = (_number(entry, signers) for entry in _entries(request))
    return next((number for number in found if number is not None), None)


def number_under(request: HttpRequest, name: str) -> int | None:
    """The same of whoever has the name. It takes as long where nobody has it; and it is looked for
    once in a request, for the work would tell the names that there are."""
    looked: dict[str, int | None] = request.__dict__.setdefault("known_devices", {})
    if name not in looked:
        user = User.objects.filter(username=name).first()
        number = number_for(request, user or User(username=name))
        looked[name] = None if user is None else number
    return looked[name]


def remember(
    request: HttpRequest, answer: HttpResponse, user: User, number: int | None = None
) -> None:
    """Let the browser know the person from now on, who has just shown all that is asked of them.

    It stays the device that it was, for copies of its cookie are to share its tries; `number` says
    which, where the person's sign-ins have ended since.
    """
    number = number_for(request, user) if number is None else number
    number = secrets.randbelow(NUMBERS) if number is None else number
    signers = _signers(user)
    others = [entry for entry in _entries(request) if _number(entry, signers) is None]
    mine = signers[0].sign(str(number))
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


def _number(entry: str, signers: list[signing.TimestampSigner]) -> int | None:
    for signer in signers:
        try:
            return int(signer.unsign(entry, max_age=LIFE))
        except signing.BadSignature:
            continue
    return None


def _signers(user: User) -> list[signing.TimestampSigner]:
    """The one that signs; and those of secrets that were in use before."""
    proofs = (user.get_session_auth_hash(), *user.get_session_auth_fallback_hash())
    return [signing.TimestampSigner(salt=f"sideline.device.{user.pk}.{one}") for one in proofs]
