"""Which masks the pictures of one feed have, and which they must have. Django-free.

A *mark* names a camera's privacy masks; ingest puts it on every frame and state. Whoever joins
brings the mark that the database has, and ingest follows the database within a second or so:
until it does, pictures from before the change are not given out.
"""

from __future__ import annotations

from dataclasses import dataclass

RECENT_S = 5.0  # so long a mark that was left is known to be an old one
TRUST_S = 5.0  # after so long ingest is right and not who joined: it looks twice a second


@dataclass(frozen=True, slots=True)
class Masked:
    """Ingest's word that the pictures from now on have other masks: before there is one."""

    mark: str


class Marks:
    """The mark that arrives, and one that is awaited. Times are monotonic seconds.

    Bound: marks left within `RECENT_S`.
    """

    def __init__(self) -> None:
        self.newest: str | None = None
        self._left: dict[str, float] = {}
        self._awaited: str | None = None
        self._trust_from = 0.0

    def expect(self, mark: str, now: float) -> bool:
        """Somebody read this mark in the database. False where what arrived before has to go."""
        if mark == self.newest or mark == self._awaited:
            return mark == self.newest
        left = self._left.get(mark)
        if left is not None and now - left < RECENT_S:
            return True  # it was read before the change
        self._awaited, self._trust_from = mark, now + TRUST_S
        return False

    def passes(self, mark: str, now: float) -> bool:
        """A packet with this mark arrives; whether its picture may be given out."""
        changed = self.newest is not None and mark != self.newest
        if changed:
            assert self.newest is not None
            self._left = {k: at for k, at in self._left.items() if now - at < RECENT_S}
            self._left[self.newest] = now
            self._left.pop(mark, None)
        self.newest = mark
        if self._awaited is None or changed or mark == self._awaited or now > self._trust_from:
            self._awaited = None
        return self._awaited is None
