"""Passes: what a member makes so that others can watch without an account.

A pass made with a token ends no later than the token, and with it. One made in a browser belongs to
the membership. Every pass is deleted with its membership, unless an administrator takes it over.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from django.apps import apps
from django.core.exceptions import PermissionDenied
from django.db import models
from django.utils import timezone

from project.accounts.models.organizations import Membership, Organization, User
from project.accounts.models.tokens import Token

if TYPE_CHECKING:
    from project.accounts.credentials import Actor

P = TypeVar("P", bound="Pass")


class PassQuerySet(models.QuerySet[P]):
    # Subqueries, not joins: after a wait for a lock, PostgreSQL re-checks only an UPDATE's own row.
    def not_ended(self) -> PassQuerySet[P]:
        """The passes that are not revoked or expired, nor is the token that they end with.

        They include those that pause, because the account of their member is switched off.
        """
        token = models.Q(token=None) | models.Q(token__in=Token.objects.not_ended().values("pk"))
        return self.filter(token, revoked_at=None, expires_at__gt=timezone.now())

    def alive(self) -> PassQuerySet[P]:
        """The passes that open something now."""
        active = Membership.objects.filter(user__is_active=True).values("pk")
        owned = models.Q(membership=None) | models.Q(membership__in=active)
        return self.not_ended().filter(owned)


class Pass(models.Model):
    """A secret or address, made by a member, that opens one thing and no more.

    `created_by` made it; `membership` owns it (None only for rows made by scripts, which nobody
    owns); `token` is what it was made with, and ends with.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=100)
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    membership = models.ForeignKey(
        Membership, on_delete=models.CASCADE, null=True, editable=False, related_name="+"
    )
    token = models.ForeignKey(
        Token, on_delete=models.CASCADE, null=True, editable=False, related_name="+"
    )

    class Meta:
        abstract = True

    def set_maker(self, actor: Actor, organization_id: uuid.UUID) -> None:
        """Make the pass the actor's own, before it is saved in the same transaction.

        Lowers `expires_at` to the end of the actor's token. Raises `PermissionDenied` if the token
        or the membership has ended meanwhile.
        """
        memberships = Membership.objects.select_for_update(no_key=True)
        membership = memberships.filter(user=actor.user, organization=organization_id).first()
        if membership is None:
            raise PermissionDenied("You are no longer a member.")
        self.created_by, self.membership = actor.user, membership
        if actor.credential.kind == "token":
            self.token = Token.lock_alive(actor.credential.id)
            if self.token.expiry is not None:
                self.expires_at = min(self.expires_at, self.token.expiry)

    @property
    def kind(self) -> str:
        """What it is, for pages: `stream key`."""
        return str(self._meta.verbose_name)

    @property
    def origin(self) -> str:
        """Who made it and what it ends with, for pages. Reads `token`, `membership` and users."""
        maker = self.created_by.username if self.created_by else "a former member"
        if self.token is not None:
            return f"made by {maker} with the token “{self.token.name}”, ends with it"
        if self.membership is None:
            return ""
        owner = self.membership.user
        return (
            f"made by {maker}, ends when {owner.username} leaves"
            if owner == self.created_by
            else f"made by {maker}, taken over by {owner.username}"
        )

    @property
    def is_paused(self) -> bool:
        """True while the account of the member who owns it is switched off."""
        return self.membership is not None and not self.membership.user.is_active

    @property
    def is_alive(self) -> bool:
        """True if it opens something now."""
        rows: PassQuerySet[Pass] = type(self)._default_manager  # type: ignore[assignment]
        return rows.alive().filter(pk=self.pk).exists()

    def revoke(self) -> None:
        """End it. Its viewers are disconnected within two seconds."""
        rows = type(self)._default_manager.filter(pk=self.pk, revoked_at=None)
        rows.update(revoked_at=timezone.now())


def passes_of(membership: Membership) -> list[Pass]:
    """Return the passes that have not ended and end with the membership."""
    # Without names, `select_related` loads what every pass has: what it opens.
    return [
        one for rows in _not_ended() for one in rows.filter(membership=membership).select_related()
    ]


def owners_of_passes(organization: Organization) -> set[int]:
    """Return the ids of the organization's memberships with passes that have not ended."""
    owners: set[int] = set()
    for rows in _not_ended():
        owned = rows.filter(membership__organization=organization)
        owners |= set(owned.values_list("membership", flat=True))
    return owners


def take_over(membership: Membership, by: Membership) -> None:
    """Make the membership's passes those of `by`. They no longer end with a token."""
    for rows in _not_ended():
        rows.filter(membership=membership).update(membership=by, token=None)


def describe_passes(passes: Sequence[Pass]) -> str:
    """Return a text such as `3 stream keys and 1 share link`; "" for none."""
    counts = Counter(type(one)._meta for one in passes)
    return " and ".join(
        f"{count} {meta.verbose_name if count == 1 else meta.verbose_name_plural}"
        for meta, count in counts.most_common()
    )


def _not_ended() -> list[PassQuerySet[Any]]:
    """Return the passes of each kind that have not ended."""
    kinds: list[Any] = [model for model in apps.get_models() if issubclass(model, Pass)]
    return [kind.objects.not_ended() for kind in kinds]
