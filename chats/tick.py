"""When what answers have said is shown: on a tick that all answers of a process share.

So a thousand readers are written to in one go, and a busy process ticks more slowly.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Mapping

from chats.runs import Run

log = logging.getLogger(__name__)

TICK_S = 0.040
SLOWEST_S = 0.120
BUSY = 30  # a tick's work may be one part in so many of the time


class Tick:
    """The tick of these `runs`. `changed` is told of what was shown; `stop` ends a broken one."""

    def __init__(
        self,
        runs: Mapping[uuid.UUID, Run],
        changed: Callable[[], None],
        stop: Callable[[uuid.UUID], None],
    ) -> None:
        self._runs = runs
        self._changed = changed
        self._stop = stop
        self._ticking: asyncio.TimerHandle | None = None
        self._ticked = 0.0
        self._work_s = 0.0

    def heard(self, run: Run) -> None:
        """The run has heard something: the first is told at once, the rest on the tick."""
        if not run.shown:
            run.show()
            self._changed()
        if self._ticking is None and run.waits:
            pause = min(max(TICK_S, BUSY * self._work_s), SLOWEST_S)
            due = max(self._ticked + pause, time.monotonic())
            wait = due - time.monotonic()
            self._ticking = asyncio.get_running_loop().call_later(wait, self._show, due)

    def _show(self, due: float) -> None:
        """Show what was heard since. Its work, and how late it came, set the pace of the next."""
        self._ticking = None
        rest = None
        for run in tuple(self._runs.values()):
            if run.waits:
                try:
                    run.show()
                except Exception:  # the others are told all the same
                    log.exception("answer %s could not be told", run.message_id)
                    self._stop(run.generation_id)
                if run.waits:
                    rest = run
        self._ticked = time.monotonic()
        self._work_s = (self._work_s + self._ticked - due) / 2
        self._changed()
        if rest is not None:
            self.heard(rest)
