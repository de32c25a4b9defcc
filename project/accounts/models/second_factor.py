"""The second factor: TOTP codes (RFC 6238) of an authenticator app, and ten recovery codes.

The secret is encrypted, recovery codes are stored as digests. pyotp does the arithmetic.
"""

from __future__ import annotations

import base64
import logging
import re
import secrets
from datetime import timedelta

from django.db import models, transaction
from django.utils import timezone
from pyotp import TOTP
from pyotp.exceptions import OTPVerificationError

from project.accounts.models.organizations import User
from project.accounts.models.tokens import digest
from project.encryption import UnsealFailed, seal, unseal

log = logging.getLogger(__name__)

RECOVERY_CODES = 10
DRIFT = 1  # steps of 30 s that the phone's clock may be off, either way
FREE_ATTEMPTS = 5
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=30), timedelta(minutes=15)
_CODE = re.compile(r"[0-9]{6}")
_RECOVERY = re.compile(r"[a-z2-7]{16}")


class Paused(Exception):
    """Too many wrong codes for one user, from any address; wait `seconds`."""

    def __init__(self, seconds: int) -> None:
        super().__init__(seconds)
        self.seconds = seconds


def otpauth_uri(secret: str, user: User) -> str:
    """Return the `otpauth:` URI for a QR code."""
    return TOTP(secret, name=user.username, issuer="Sideline").provisioning_uri()


def matching_step(secret: str, text: str, after: int = 0) -> int | None:
    """Return the current time step that matches the code; None if none after `after` does.

    Raises `ValueError` if the secret is not base32.
    """
    if not _CODE.fullmatch(text):
        return None
    try:
        step = TOTP(secret).verify_and_get_timecode(text, valid_window=DRIFT)
    except OTPVerificationError:
        return None
    return step if step > after else None


def normalize_code(text: str) -> str:
    """Remove spaces and hyphens, and lower the case."""
    return re.sub(r"[\s-]", "", text).lower()


def looks_like_code(text: str) -> bool:
    """True if the text has the form of a code (and is not, say, a password)."""
    return bool(_CODE.fullmatch(normalize_code(text)) or _RECOVERY.fullmatch(normalize_code(text)))


class SecondFactor(models.Model):
    """A user's second factor, if it is on. Each code is valid once."""

    user = models.OneToOneField(
        User, on_delete=models.CASCADE, primary_key=True, related_name="second_factor"
    )
    sealed_secret = models.TextField(editable=False)
    on_since = models.DateTimeField(auto_now_add=True)
    last_step = models.BigIntegerField(default=0, editable=False)
    failures = models.PositiveIntegerField(default=0, editable=False)
    paused_until = models.DateTimeField(null=True, editable=False)

    def __str__(self) -> str:
        return f"Second factor of {self.user}"

    @classmethod
    def is_on(cls, user: User) -> bool:
        """True if the user must enter a code to sign in."""
        return cls.objects.filter(user=user).exists()

    @classmethod
    def turn_on(cls, user: User, secret: str, step: int) -> list[str] | None:
        """Turn it on and return the recovery codes, to be shown once; None if it is on already.

        `step` is that of the code that confirmed the secret: the code is not valid again.
        """
        with transaction.atomic():
            _, is_new = cls.objects.get_or_create(
                user=user, defaults={"sealed_secret": seal(secret), "last_step": step}
            )
            return RecoveryCode.renew(user) if is_new else None

    @classmethod
    def turn_off(cls, user: User) -> bool:
        """Turn it off and delete the recovery codes; True if it was on."""
        with transaction.atomic():
            RecoveryCode.objects.filter(user=user).delete()
            return bool(cls.objects.filter(user=user).delete()[0])

    @classmethod
    def verify(cls, user: User, text: str) -> bool:
        """Check a code and use it up; True if it was valid. Raises `Paused`.

        After `FREE_ATTEMPTS` wrong codes each further one doubles the pause, up to `LONGEST_PAUSE`:
        about 100 guesses a day, each with a chance of 3 in a million. Recovery codes cannot be
        guessed and are not paused, so someone who knows the password cannot lock the user out.
        """
        text, now = normalize_code(text), timezone.now()
        if _RECOVERY.fullmatch(text):
            return RecoveryCode.claim(user, text)
        with transaction.atomic():
            factor = cls.objects.select_for_update().filter(user=user).first()
            if factor is None:
                return False
            if factor.paused_until is not None and factor.paused_until > now:
                raise Paused(int((factor.paused_until - now).total_seconds()) + 1)
            step = factor._matching_step(text)
            if step is None:
                factor.failures += 1
                over = factor.failures - FREE_ATTEMPTS
                if over >= 0:
                    factor.paused_until = now + min(FIRST_PAUSE * 2 ** min(over, 10), LONGEST_PAUSE)
            else:
                factor.last_step, factor.failures, factor.paused_until = step, 0, None
            factor.save(update_fields=["last_step", "failures", "paused_until"])
        return step is not None

    def _matching_step(self, text: str) -> int | None:
        try:
            return matching_step(unseal(self.sealed_secret), text, after=self.last_step)
        except (UnsealFailed, ValueError):
            log.error("cannot decrypt the second factor of user %s; reset it", self.user_id)
            return None


class RecoveryCode(models.Model):
    """A code for users without their phone, valid once. 80 random bits, stored as a digest."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="recovery_codes")
    digest = models.CharField(max_length=64, unique=True, editable=False)

    def __str__(self) -> str:
        return f"Recovery code of {self.user}"

    @classmethod
    def renew(cls, user: User) -> list[str]:
        """Replace the user's recovery codes; return the new ones."""
        texts = [
            base64.b32encode(secrets.token_bytes(10)).decode().lower()
            for _ in range(RECOVERY_CODES)
        ]
        with transaction.atomic():
            cls.objects.filter(user=user).delete()
            RecoveryCode.objects.bulk_create(
                RecoveryCode(user=user, digest=digest(text)) for text in texts
            )
        return ["-".join(text[at : at + 4] for at in range(0, 16, 4)) for text in texts]

    @classmethod
    def claim(cls, user: User, text: str) -> bool:
        """Use a code up; True for exactly one caller."""
        return bool(cls.objects.filter(user=user, digest=digest(text)).delete()[0])
