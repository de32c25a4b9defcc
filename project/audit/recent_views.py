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
    has_ended: bool = False  # the last one has, and the row does not say so yet
    active_at: float = -math.inf  # monotonic, as is `stored_at`
    stored_at: float = -math.inf


class RecentViews:
    """The views of this process that are open or were within the last minute. Thread-safe.

    Bound: `MAX_IDLE` views without anything open, checked with each heartbeat; the oldest are
    forgotten first, which costs a query at their next opening.
    """

    def __init__(self) -> None:
        self._states: dict[View, _State] = {}
        self._lock = threading.Lock()  # never held during a query
        self._writing = 0  # calls of `store` that have not returned

    def __contains__(self, view: View) -> bool:
        return view in self._states

    def __len__(self) -> int:
        return len(self._states)

    def open(self, view: View, *, lasting: bool) -> bool:
        """Count an opening. False if the view's row has to be stored before a picture is sent."""
        now = time.monotonic()
        with self._lock:
            state = self._states.setdefault(view, _State())
            state.open += lasting
            state.uncounted += 1
            state.active_at = now
            return now - state.stored_at < FRESH_S

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
            state.active_at = time.monotonic()
            state.has_ended = state.has_ended or not state.open
            return not state.open

    def store(self, views: Collection[View]) -> None:
        """Write the rows of views in one transaction. If that raises, openings stay uncounted."""
        now = time.monotonic()
        with self._lock:
            self._writing += 1
            states = {view: self._states[view] for view in views if view in self._states}
            taken = {view: (state.uncounted, state.has_ended) for view, state in states.items()}
            for state in states.values():
                state.uncounted, state.has_ended = 0, False
        is_stored = False
        try:
            store({view: uncounted for view, (uncounted, _) in taken.items()})
            is_stored = True
        finally:
            with self._lock:
                self._writing -= 1
                for view, state in states.items():
                    if is_stored:
                        state.stored_at = now
                    else:
                        state.uncounted += taken[view][0]
                        state.has_ended |= taken[view][1]

    def renew(self) -> None:
        """Store all views that are open or have changed, and forget those of a minute ago."""
        with self._lock:
            due = [view for view, state in self._states.items()
                   if state.open or state.uncounted or state.has_ended]  # fmt: skip
        self.store(due)
        self._forget()

    def _forget(self) -> None:
        now = time.monotonic()
        with self._lock:
            if self._writing:  # what fails to be written is counted again
                return
            idle = [(state.active_at, view) for view, state in self._states.items()
                    if not (state.open or state.uncounted or state.has_ended)]  # fmt: skip
            idle.sort(key=lambda each: each[0], reverse=True)
            for position, (active_at, view) in enumerate(idle):
                if position >= MAX_IDLE or now - active_at > PAUSE.total_seconds():
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
