"""Device cookies: they mark browsers in which a user has signed in before. They sign nobody in.

A browser with one is not locked by failures of others under the same name or at the same address;
attempts.py counts its failures separately. A stolen cookie gives only those attempts.
(OWASP: slow down online guessing attacks with device cookies.)

The cookie holds a number and a time for each user, signed with the user's session hash: it is
invalid once the password changes, and contains no username.
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
NUMBERS = 32  # devices of one user; more than these share their attempts
PEOPLE_MOST = 4  # users of one browser; the latest stay
_ENTRY = re.compile(r"[0-9]{1,2}:[\w-]{1,20}:[\w-]{20,100}", re.ASCII)


def device_number(request: HttpRequest, user: User) -> int | None:
    """Return the number of the user's device; None if the user has not signed in here."""
    signers = _signers(user)
    found = (_number(entry, signers) for entry in _entries(request))
    return next((number for number in found if number is not None), None)


def device_number_for_name(request: HttpRequest, name: str) -> int | None:
    """Return the device number of the user with this name. Takes as long if there is none.

    Looked up once per request: repeated work would reveal which names exist.
    """
    if COOKIE not in request.COOKIES:
        return None
    looked: dict[str, int | None] = request.__dict__.setdefault("known_devices", {})
    if name not in looked:
        user = User.objects.filter(username=name).first()
        number = device_number(request, user or User(username=name))
        looked[name] = None if user is None else number
    return looked[name]


def set_device_cookie(
    request: HttpRequest, answer: HttpResponse, user: User, number: int | None = None
) -> None:
    """Set the device cookie for a user who has just completed a sign-in.

    The device number stays the same, so that copies of the cookie share its attempts. Pass
    `number` if the user's sessions have just been ended, which makes the old cookie invalid.
    """
    number = device_number(request, user) if number is None else number
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
    """Return the current signer, then those of earlier secret keys."""
    hashes = (user.get_session_auth_hash(), *user.get_session_auth_fallback_hash())
    return [signing.TimestampSigner(salt=f"sideline.device.{user.pk}.{each}") for each in hashes]
