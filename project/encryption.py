"""Text that is stored encrypted, under keys apart from Django's secret key."""

from __future__ import annotations

import base64
import hashlib

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class SealBroken(Exception):
    """The stored text was sealed with a key that SIDELINE_FIELD_KEY no longer holds."""


def _box() -> MultiFernet:
    digests = (hashlib.sha256(key.encode()).digest() for key in settings.FIELD_KEYS)
    return MultiFernet([Fernet(base64.urlsafe_b64encode(digest)) for digest in digests])


def seal(text: str) -> str:
    """Encrypt with the first field key."""
    return _box().encrypt(text.encode()).decode("ascii") if text else ""


def unseal(sealed: str) -> str:
    """Decrypt with whichever field key fits; raises `SealBroken`."""
    if not sealed:
        return ""
    try:
        return _box().decrypt(sealed.encode("ascii")).decode()
    except InvalidToken:
        raise SealBroken(
            "The stored source cannot be read with the present SIDELINE_FIELD_KEY. "
            "Put the former key back behind the new one, or enter the source again."
        ) from None


def reseal(sealed: str) -> str:
    """The same text under the first field key."""
    return seal(unseal(sealed))
