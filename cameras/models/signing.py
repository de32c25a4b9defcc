"""One-time links that sign one person in (stored as digests), and the end of all sign-ins."""

from __future__ import annotations

import secrets
from datetime import timedelta

from django.db import models, transaction
from django.utils import timezone

from cameras.models.credentials import Token, digest
from cameras.models.organizations import User

LINK_LIFE = timedelta(hours=24)


class SignInLink(models.Model):
    """A link that signs one person in once. It stands for the password, not for a second factor."""

    digest = models.CharField(max_length=64, primary_key=True)
    user = models.ForeignKey(User, on_delete=models.CASCADE)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"Sign-in link for {self.user}"

    @classmethod
    def issue(cls, user: User) -> str:
        """The secret of a new link; earlier unused ones of the same person end."""
        cls.objects.filter(user=user, used_at=None).delete()
        text = secrets.token_urlsafe(24)
        cls.objects.create(digest=digest(text), user=user, expires_at=timezone.now() + LINK_LIFE)
        return text

    @classmethod
    def behind(cls, text: str) -> SignInLink | None:
        """The link, where it still signs somebody in."""
        links = cls._open(text).select_related("user")
        return links.filter(user__is_active=True).first()

    @classmethod
    def is_known(cls, text: str) -> bool:
        """Whether there is such a link, even if it is used or too old."""
        return cls.objects.filter(digest=digest(text)).exists()

    @classmethod
    def claim(cls, text: str) -> User | None:
        """Whom the link signs in, exactly once; None where it is used, old or unknown."""
        link = cls.behind(text)
        # No join here: PostgreSQL would not look again at what it waited for.
        if link is None or not cls._open(text).update(used_at=timezone.now()):
            return None
        return link.user

    @classmethod
    def _open(cls, text: str) -> models.QuerySet[SignInLink]:
        now = timezone.now()
        return cls.objects.filter(digest=digest(text), used_at=None, expires_at__gt=now)


def end_sign_ins(user: User) -> None:
    """Whoever is signed in as them is so no longer: browsers, and programs by their sign-in.

    Tokens that were made for programs stay; they have a list of their own. Links that were not
    used yet go.
    """
    with transaction.atomic():
        User.objects.filter(pk=user.pk).update(sign_outs=models.F("sign_outs") + 1)
        user.refresh_from_db(fields=["sign_outs"])
        SignInLink.objects.filter(user=user, used_at=None).delete()
        for token in (Token.objects.sign_ins() & Token.objects.alive()).filter(user=user):
            token.revoke()
