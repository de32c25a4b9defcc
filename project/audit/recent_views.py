"""What this process knows of views: which rows are stored, and openings that they do not count yet.

An opening of a view whose row was just stored costs no query: not a still, not a snapshot, not the
next of a thousand sockets. Its number is written with the next heartbeat; a crash loses it.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Collection
from dataclasses import dataclass

from project.audit.log import Action
from project.audit.models import CameraLike
from project.audit.open_views import PAUSE, View, store
from project.audit.opening_limits import claim_opening
from project.audit.requesters import Requester

HEARTBEAT_S = 10.0
FRESH_S = 2 * HEARTBEAT_S  # one heartbeat may fail
MAX_IDLE = 4096


@dataclass(slots=True)
class _State:
    open: int = 0  # openings that last, such as sockets
    uncounted: int = 0
    ended_at: float = -math.inf  # when the last open one ended; monotonic, as is `stored_at`
    stored_at: float = -math.inf

    @property
    def is_due(self) -> bool:
        """True if the view goes on, or its row lacks openings or its end."""
        return bool(self.open or self.uncounted) or self.ended_at > self.stored_at


class RecentViews:
    """The views of this process that are open or were within the last minute. Thread-safe.

    Bound: `MAX_IDLE` views without anything open, checked with each heartbeat; the oldest are
    forgotten first, which costs a query at their next opening.
    """

    def __init__(self) -> None:
        self._states: dict[View, _State] = {}
        self._lock = threading.Lock()  # never held during a query

    def __contains__(self, view: View) -> bool:
        return view in self._states

    def __len__(self) -> int:
        return len(self._states)

    def open(self, view: View, *, lasting: bool) -> bool:
        """Count an opening. False if the view's row has to be stored before a picture is sent."""
        with self._lock:
            state = self._states.setdefault(view, _State())
            state.open += lasting
            state.uncounted += 1
            return time.monotonic() - state.stored_at < FRESH_S

    def withdraw(self, view: View, *, lasting: bool) -> None:
        """Undo `open`: the view could not be stored, so it was refused."""
        with self._lock:
            state = self._states.setdefault(view, _State())
            state.open -= lasting
            state.uncounted -= 1  # below 0 if a concurrent `store` has just counted it

    def close(self, view: View) -> bool:
        """Count the end of a lasting opening. True if it was the last: then store the view."""
        with self._lock:
            state = self._states[view]
            state.open -= 1
            if not state.open:
                state.ended_at = time.monotonic()
            return not state.open

    def store(self, views: Collection[View]) -> None:
        """Write the rows of views in one transaction. If that raises, openings stay uncounted."""
        now = time.monotonic()
        with self._lock:
            states = {view: self._states[view] for view in views if view in self._states}
            taken = {view: state.uncounted for view, state in states.items()}
            for state in states.values():
                state.uncounted = 0
        try:
            store(taken)
        except BaseException:
            with self._lock:
                for view, state in states.items():
                    # It may be forgotten by now, as it counted nothing.
                    self._states.setdefault(view, state).uncounted += taken[view]
            raise
        for state in states.values():
            state.stored_at = now

    def renew(self) -> None:
        """Store all views that are open or have changed, and forget those of a minute ago."""
        with self._lock:
            due = [view for view, state in self._states.items() if state.is_due]
        self.store(due)
        self._forget()

    def _forget(self) -> None:
        limit = time.monotonic() - PAUSE.total_seconds()
        with self._lock:
            idle = [(state.stored_at, view) for view, state in self._states.items()
                    if not state.is_due]  # fmt: skip
            idle.sort(key=lambda each: each[0], reverse=True)
            for position, (stored_at, view) in enumerate(idle):
                if position >= MAX_IDLE or stored_at < limit:
                    del self._states[view]


recent_views = RecentViews()


def log_picture(requester: Requester, camera: CameraLike, action: Action) -> None:
    """Log one picture, before it is sent; if this raises, do not send it. Synchronous.

    Queries the database only if the view's row was not stored within `FRESH_S`. Raises
    `TooManyOpenings` and database errors. The camera's organization must be loaded.
    """
    view = View.of(requester, camera, action)
    if view not in recent_views:
        claim_opening(view, is_new=True, lasting=False)
    if recent_views.open(view, lasting=False):
        return
    try:
        recent_views.store([view])
    except BaseException:
        recent_views.withdraw(view, lasting=False)
        raise


def claim_connection(requester: Requester, camera: CameraLike, action: Action) -> View:
    """Return the view of a connection that is about to open. Synchronous.

    Raises `TooManyOpenings`.
    """
    view = View.of(requester, camera, action)
    claim_opening(view, is_new=view not in recent_views, lasting=True)
    return view
