"""The wall: all cameras on one page."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.contrib.auth.decorators import login_required
from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from cameras.models import Camera, CameraState, Kind, WallLayout
from cameras.models.cameras import CameraQuerySet
from cameras.models.states import State
from cameras.stream_urls import stream_path
from project.accounts.access import actor_for_request, signed_in_user
from project.accounts.views.shell import Shell

# The states that the wall counts and filters by, with their words; see static/js/live/states.js.
COUNTED = {
    State.LIVE: "live",
    State.STALE: "stale",
    State.CONNECTING: "waiting",
    State.OFFLINE: "offline",
    State.ENDED: "off",
}
_CONNECTING = re.compile(r"^connect(ing|ed)\b\W*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class CameraDisplay:
    """A camera as a page shows it before the first frame. Times are in unix ms; None if unknown."""

    camera: Camera
    state: CameraState
    stream: str
    since: int
    picture_at: int | None

    @classmethod
    def of(cls, camera: Camera) -> CameraDisplay:
        """Build it from a camera of `with_display_data()`."""
        state = camera.current_state()
        still_at: datetime | None = getattr(camera, "still_at", None)
        picture_at = _unix_ms(still_at) if still_at else None
        return cls(camera, state, stream_path(str(camera.pk)), _unix_ms(state.since), picture_at)

    @property
    def connecting(self) -> bool:
        """True if the page starts as “Connecting”: only the socket may report a camera as live."""
        return self.state.state in (State.LIVE, State.CONNECTING) or not self._reason_adds_detail()

    @property
    def waiting(self) -> bool:
        """True for a push camera to which nothing was sent yet: nothing has failed."""
        return (
            self.camera.kind == Kind.PUSH
            and self.state.state == State.OFFLINE
            and self.state.reason.startswith("Waiting for")
        )

    @property
    def mark(self) -> str:
        """The badge's mark: a state."""
        if self.connecting:
            return "connecting"
        return "waiting" if self.waiting else self.state.state

    @property
    def counted(self) -> str:
        """The state as the wall counts it: one that is connected or waited for is not offline."""
        reason = self.state.reason
        detail = _CONNECTING.sub("", reason)
        is_waiting = detail.lower().startswith("waiting for") if detail else bool(reason)
        is_offline = self.state.state == State.OFFLINE
        return State.CONNECTING if is_offline and is_waiting else self.state.state

    @property
    def note(self) -> str:
        """The reason of the state, or "" if it only repeats the badge."""
        return self.state.reason if self._reason_adds_detail() and not self.waiting else ""

    def _reason_adds_detail(self) -> bool:
        return self.state.reason.rstrip(".… ") != State.CONNECTING.label


def _unix_ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def with_display_data(cameras: CameraQuerySet) -> CameraQuerySet:
    """Load what a tile or a camera's page shows, without the bytes of the still picture."""
    return cameras.select_related("organization", "state").annotate(still_at=F("still__taken_at"))


class StateCount(NamedTuple):
    """How many of the wall's cameras are in a state, and whether only those are shown."""

    state: str
    word: str
    cameras: int
    is_chosen: bool


class GroupCount(NamedTuple):
    """How many cameras are in a group; the name is empty for those in none."""

    name: str
    cameras: int


@never_cache
@login_required
def wall(request: HttpRequest) -> HttpResponse:
    """Show the cameras of the current organization, or of all of the user's.

    `?group=` shows one group, and with no name the cameras without one; `?show=` the cameras in one
    state; `?screen` is for a screen that nobody sits at: cameras and nothing else.
    """
    shell = Shell(request)
    cameras = with_display_data(Camera.objects.visible_to(shell.actor))
    if shell.current is not None:
        cameras = cameras.filter(organization=shell.current)
    organizations = [shell.current] if shell.current else shell.organizations
    layout = WallLayout.of(signed_in_user(request))
    every = [CameraDisplay.of(camera) for camera in layout.arrange(cameras)]
    group, shown = request.GET.get("group"), request.GET.get("show")
    tiles = [tile for tile in every if group is None or tile.camera.group == group]
    context = {
        "tiles": tiles if not layout.live_first else sorted(tiles, key=_is_not_live),
        "every": len(every),
        "order": ",".join(str(tile.camera.pk) for tile in tiles),
        "live_first": layout.live_first,
        "states": _count_states(tiles, shown),
        "shown": shown if shown in COUNTED else "",
        "groups": _count_groups(every),
        "group": group,
        "is_screen": "screen" in request.GET,
        "can_add": any(organization in shell.administered for organization in organizations),
        "shows_organizations": shell.current is None and len(shell.organizations) > 1,
    }
    return render(request, "cameras/wall.html", context)


def _is_not_live(tile: CameraDisplay) -> bool:
    return tile.counted != State.LIVE


def _count_states(tiles: Sequence[CameraDisplay], shown: str | None) -> list[StateCount]:
    counts = Counter(tile.counted for tile in tiles)
    return [StateCount(key, word, counts[key], key == shown) for key, word in COUNTED.items()]


def _count_groups(tiles: Sequence[CameraDisplay]) -> list[GroupCount]:
    """Return the groups by name, those without one last; an empty list if there are no groups."""
    counts = Counter(tile.camera.group for tile in tiles)
    without = counts.pop("", 0)
    groups = [GroupCount(name, counts[name]) for name in sorted(counts, key=str.casefold)]
    return [*groups, GroupCount("", without)] if groups and without else groups


@login_required
@require_POST
def arrange(request: HttpRequest) -> HttpResponse:
    """Keep how the user arranges the wall: `order`, ids with commas between; `live_first`, 1 or 0.

    Whatever is absent stays as it is. Ids of cameras that the user may not watch are ignored.
    """
    actor = actor_for_request(request)
    if "order" in request.POST:
        WallLayout.reorder(actor, request.POST["order"].split(","))
    if "live_first" in request.POST:
        WallLayout.put_live_first(actor, request.POST["live_first"] == "1")
    return HttpResponse(status=204)
