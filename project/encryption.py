"""Encryption of stored text, with keys of its own (SIDELINE_FIELD_KEY), not Django's."""

from __future__ import annotations

import base64
import hashlib

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class UnsealFailed(Exception):
    """The stored text was encrypted with a key that is not in SIDELINE_FIELD_KEY."""


def _fernet() -> MultiFernet:
    digests = (hashlib.sha256(key.encode()).digest() for key in settings.FIELD_KEYS)
    return MultiFernet([Fernet(base64.urlsafe_b64encode(digest)) for digest in digests])


def seal(text: str) -> str:
    """Encrypt with the first field key. Empty text stays empty."""
    return _fernet().encrypt(text.encode()).decode("ascii") if text else ""


def unseal(sealed: str) -> str:
    """Decrypt with the field key that fits. Raises `UnsealFailed`."""
    if not sealed:
        return ""
    try:
        return _fernet().decrypt(sealed.encode("ascii")).decode()
    except InvalidToken:
        raise UnsealFailed(
            "The stored source cannot be read with the present SIDELINE_FIELD_KEY. "
            "Put the former key back behind the new one, or enter the source again."
        ) from None


def reseal(sealed: str) -> str:
    """Encrypt the text again, with the first field key."""
    return seal(unseal(sealed))
