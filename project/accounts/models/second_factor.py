"""What a person proves beside the password: codes of a phone, or one of ten recovery codes.

The secret is sealed and recovery codes are kept as digests; django-otp's own tables keep both in
plain text, and its throttle has no ceiling, so only its arithmetic is used.
"""

from __future__ import annotations

import base64
import binascii
import logging
import re
import secrets
from datetime import timedelta
from urllib.parse import quote

from django.db import models, transaction
from django.utils import timezone
from django_otp.oath import TOTP

from project.accounts.models.organizations import User
from project.accounts.models.tokens import digest
from project.encryption import SealBroken, seal, unseal

log = logging.getLogger(__name__)

RECOVERY_CODES = 10
DRIFT = 1  # steps of 30 s that the phone's clock may be off, either way
FREE_TRIES = 5
PAUSE, PAUSE_MOST = timedelta(seconds=30), timedelta(minutes=15)
_CODE = re.compile(r"[0-9]{6}")
_RECOVERY = re.compile(r"[a-z2-7]{16}")


class Paused(Exception):
    """Too many wrong codes of one person, from wherever; `seconds` says how long it lasts."""

    def __init__(self, seconds: int) -> None:
        super().__init__(seconds)
        self.seconds = seconds


def new_secret() -> str:
    """160 random bits in base32, as authenticator apps take them."""
    return base64.b32encode(secrets.token_bytes(20)).decode()


def address_of(secret: str, user: User) -> str:
    """The `otpauth:` address that a QR code holds."""
    return f"otpauth://totp/Sideline:{quote(user.username)}?secret={secret}&issuer=Sideline"


def step_of(secret: str, text: str, after: int = 0) -> int | None:
    """The time step whose code `text` is, if it is one of now and later than the step `after`."""
    clock = TOTP(base64.b32decode(secret))
    if not _CODE.fullmatch(text) or not clock.verify(int(text), DRIFT, after + 1):
        return None
    return int(clock.t())


def plain(text: str) -> str:
    """A code as people type it, without what they put between the digits."""
    return re.sub(r"[\s-]", "", text).lower()


def looks_like_code(text: str) -> bool:
    """Whether the text may be a code at all (and not, say, a password)."""
    return bool(_CODE.fullmatch(plain(text)) or _RECOVERY.fullmatch(plain(text)))


class SecondFactor(models.Model):
    """There is a row for whoever has turned it on. A code is right once."""

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
        """Whether the person is asked for a code."""
        return cls.objects.filter(user=user).exists()

    @classmethod
    def turn_on(cls, user: User, secret: str, step: int) -> list[str] | None:
        """The recovery codes, to be shown once; None where it is on already.

        `step` is that of the code which confirmed the secret: it is not right again.
        """
        with transaction.atomic():
            _, made = cls.objects.get_or_create(
                user=user, defaults={"sealed_secret": seal(secret), "last_step": step}
            )
            return RecoveryCode.renew(user) if made else None

    @classmethod
    def turn_off(cls, user: User) -> bool:
        """Whether it was on. The recovery codes go, too."""
        with transaction.atomic():
            RecoveryCode.objects.filter(user=user).delete()
            return bool(cls.objects.filter(user=user).delete()[0])

    @classmethod
    def accepts(cls, user: User, text: str) -> bool:
        """Whether a code is right, which uses it up. Raises `Paused`.

        A pause after `FREE_TRIES` wrong ones doubles with each, up to `PAUSE_MOST`: about a
        hundred guesses a day, of three in a million. Recovery codes cannot be guessed and are not
        paused, so who knows a password cannot keep its owner out.
        """
        text, now = plain(text), timezone.now()
        if _RECOVERY.fullmatch(text):
            return RecoveryCode.claim(user, text)
        with transaction.atomic():
            factor = cls.objects.select_for_update().filter(user=user).first()
            if factor is None:
                return False
            if factor.paused_until is not None and factor.paused_until > now:
                raise Paused(int((factor.paused_until - now).total_seconds()) + 1)
            step = factor._step(text)
            if step is None:
                factor.failures += 1
                over = factor.failures - FREE_TRIES
                if over >= 0:
                    factor.paused_until = now + min(PAUSE * 2 ** min(over, 10), PAUSE_MOST)
            else:
                factor.last_step, factor.failures, factor.paused_until = step, 0, None
            factor.save(update_fields=["last_step", "failures", "paused_until"])
        return step is not None

    def _step(self, text: str) -> int | None:
        try:
            return step_of(unseal(self.sealed_secret), text, after=self.last_step)
        except (SealBroken, binascii.Error):
            log.error("the second factor of %s cannot be read; reset it", self.user_id)
            return None


class RecoveryCode(models.Model):
    """For who has lost the phone: right once. 80 random bits, so a plain digest keeps them."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="recovery_codes")
    digest = models.CharField(max_length=64, unique=True, editable=False)

    def __str__(self) -> str:
        return f"Recovery code of {self.user}"

    @classmethod
    def renew(cls, user: User) -> list[str]:
        """New ones in place of those that are left."""
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
        """Use one up; True for exactly one caller."""
        return bool(cls.objects.filter(user=user, digest=digest(text)).delete()[0])
