"""How each person has arranged the wall: the order of the cameras, and whether live ones lead."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from django.db import models, transaction

from cameras.models.cameras import Camera
from project.accounts.models import User

if TYPE_CHECKING:
    from project.accounts.credentials import Actor


class WallLayout(models.Model):
    """One person's arrangement of all cameras that the person may watch.

    A wall that shows only some of them (one organization, one group) shows them in this order.
    `order` has at most one id for each camera that was visible when it was written. Ids of cameras
    that are gone, or no longer visible, do no harm and leave with the next change.
    """

    user = models.OneToOneField(
        User, on_delete=models.CASCADE, primary_key=True, related_name="wall_layout"
    )
    order: models.JSONField[list[str], list[str]] = models.JSONField(default=list)
    live_first = models.BooleanField("live cameras first", default=False)

    def __str__(self) -> str:
        return f"The wall of {self.user}"

    @classmethod
    def of(cls, user: User) -> WallLayout:
        """Return the user's layout; an unsaved one if nothing was arranged yet."""
        return cls.objects.filter(user=user).first() or cls(user=user)

    @classmethod
    @transaction.atomic
    def reorder(cls, actor: Actor, sent: Iterable[str]) -> None:
        """Give the named cameras this order among themselves; the others keep their places.

        Ids that the actor may not watch, unknown ones and repetitions are ignored.
        """
        layout = cls._lock(actor)
        cameras = Camera.objects.visible_to(actor).only("pk", "name")
        layout.order = merge([str(camera.pk) for camera in layout.arrange(cameras)], sent)
        layout.save(update_fields=["order"])

    @classmethod
    @transaction.atomic
    def put_live_first(cls, actor: Actor, on: bool) -> None:
        """Show live cameras before all others, or not."""
        layout = cls._lock(actor)
        layout.live_first = on
        layout.save(update_fields=["live_first"])

    @classmethod
    def _lock(cls, actor: Actor) -> WallLayout:
        layout, _ = cls.objects.select_for_update().get_or_create(user=actor.user)
        return layout

    def arrange(self, cameras: Iterable[Camera]) -> list[Camera]:
        """Return the cameras in the person's order; those that it does not know come last."""
        places = {pk: place for place, pk in enumerate(self.order)}
        return sorted(cameras, key=lambda camera: places.get(str(camera.pk), len(places)))


def merge(order: Sequence[str], sent: Iterable[Any]) -> list[str]:
    """Return `order` with those of its items that were sent in the sequence in which they were.

    All others keep their index. Sent items that `order` does not have are ignored, so are
    repetitions.
    """
    known = set(order)
    moved = [item for item in dict.fromkeys(sent) if item in known]
    places, following = set(moved), iter(moved)
    return [next(following) if item in places else item for item in order]
