"""The version of the privacy masks that the pictures of one feed have, or must have. Django-free.

A *mask version* is a text that names a camera's masks. Ingest puts it on every frame and state. It
begins with the number of the masks' last change, so that the older of two is known; masks that are
drawn again get a new version. A viewer that joins brings the version that the database has. Ingest
reads the database twice a second: until it has caught up, pictures from before the change are
held back.
"""

from __future__ import annotations

from dataclasses import dataclass

TRUST_S = 5.0  # the longest wait for an expected version; after it, what ingest sends is right


@dataclass(frozen=True, slots=True)
class MasksChanged:
    """Ingest's notice that the pictures from now on have other masks."""

    mask_version: str


class MaskVersions:
    """The version that arrives, and one that is expected. Times are monotonic seconds."""

    def __init__(self) -> None:
        self.newest: str | None = None
        self._newest_at = self._trust_from = 0.0
        self._expected: str | None = None

    def expect(self, version: str, now: float) -> bool:
        """Expect a version that was read from the database.

        False if frames that arrived before must be dropped.
        """
        if self.newest is not None and not _may_be_newer(version, self.newest):
            return True  # it is the same, or was read before the change
        if self._expected is None or _may_be_newer(version, self._expected):
            self._expected, self._trust_from = version, now + TRUST_S
        return False

    def accept(self, version: str, now: float) -> bool:
        """Note the version of a packet that arrives. True if its picture may be shown.

        A version older than the newest comes from a worker that was replaced, and is ignored while
        the newer one still arrives.
        """
        newest = self.newest
        is_outdated = newest is not None and _number(version) < _number(newest)
        if is_outdated and now - self._newest_at < TRUST_S:
            return False
        self.newest, self._newest_at = version, now
        expected = self._expected
        if expected is not None and (
            not _may_be_newer(expected, version) or now > self._trust_from
        ):
            self._expected = None
        return self._expected is None


def _may_be_newer(version: str, other: str) -> bool:
    """True also for two different versions of the same number: their order is unknown."""
    return version != other and _number(version) >= _number(other)


def _number(version: str) -> int:
    """The number of changes; 0 for masks that were never changed, and for versions without one."""
    number, dash, _ = version.partition("-")
    return int(number) if dash and number.isdecimal() else 0
