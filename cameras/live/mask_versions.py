"""Which masks the pictures of one feed have, and which they must have. Django-free.

A *mark* names a camera's privacy masks; ingest puts it on every frame and state. It begins with the
number of the masks' last change, so that of two it is known which is older: masks that are drawn
again are new ones. Whoever joins brings the mark that the database has, and ingest follows the
database within a second or so: until it does, pictures from before the change are not given out.
"""

from __future__ import annotations

from dataclasses import dataclass

TRUST_S = 5.0  # after so long ingest is right and not who knew better: it looks twice a second


@dataclass(frozen=True, slots=True)
class Masked:
    """Ingest's word that the pictures from now on have other masks: before there is one."""

    mark: str


class MaskVersions:
    """The mark that arrives, and one that is awaited. Times are monotonic seconds."""

    def __init__(self) -> None:
        self.newest: str | None = None
        self._heard_at = self._trust_from = 0.0
        self._awaited: str | None = None

    def expect(self, mark: str, now: float) -> bool:
        """Somebody read this mark in the database. False where what arrived before has to go."""
        if self.newest is not None and not _is_newer(mark, self.newest):
            return True  # it is the same, or was read before the change
        if self._awaited is None or _is_newer(mark, self._awaited):
            self._awaited, self._trust_from = mark, now + TRUST_S
        return False

    def passes(self, mark: str, now: float) -> bool:
        """A packet with this mark arrives; whether its picture may be given out.

        An older mark than has arrived is a stray, of a reader that was replaced.
        """
        newest = self.newest
        stray = newest is not None and _number(mark) < _number(newest)
        if stray and now - self._heard_at < TRUST_S:
            return False
        self.newest, self._heard_at = mark, now
        awaited = self._awaited
        if awaited is not None and (not _is_newer(awaited, mark) or now > self._trust_from):
            self._awaited = None
        return self._awaited is None


def _is_newer(mark: str, other: str) -> bool:
    """Whether it may be: of two that have the same number and differ, nobody knows."""
    return mark != other and _number(mark) >= _number(other)


def _number(mark: str) -> int:
    """0 of masks that were never changed, and of a mark from before there were numbers."""
    number, dash, _ = mark.partition("-")
    return int(number) if dash and number.isdecimal() else 0
