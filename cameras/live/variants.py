"""Variants of a camera's pictures: width and frames per second. Django-free."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

WIDTHS = (320, 640)  # pixels
RATES = (1, 5, 10)  # frames per second
NATIVE = 0  # as the camera's settings say


class UnknownValue(ValueError):
    """A parameter has a value that is not allowed. `sentence` names `field` and what is."""

    def __init__(self, field: str, values: tuple[int, ...]) -> None:
        allowed = ", ".join(map(str, values[:-1])) + f" or {values[-1]}"
        self.field, self.sentence = field, f"“{field}” must be {allowed}, or left out."
        super().__init__(self.sentence)


@dataclass(frozen=True, slots=True)
class Variant:
    """What one viewer gets: at most `width` pixels and `fps` frames per second.

    `NATIVE` sets no limit. Ingest encodes each width once; rates are picked from its frames.
    """

    width: int = NATIVE
    fps: int = NATIVE

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> Variant:
        """The variant of `?width=` and `?fps=`; other names are ignored. Raises `UnknownValue`."""
        return cls(_allowed(query, "width", WIDTHS), _allowed(query, "fps", RATES))


def _allowed(query: Mapping[str, str], name: str, values: tuple[int, ...]) -> int:
    if name not in query:
        return NATIVE
    for value in values:
        if query[name] == str(value):
            return value
    raise UnknownValue(name, values)


@dataclass(frozen=True, slots=True)
class Demand:
    """What `viewers` together want of one width of a camera: at most `fps`, or `NATIVE`."""

    width: int
    fps: int
    viewers: int


def merge(demands: Iterable[Demand]) -> dict[int, Demand]:
    """One demand per width: the highest rate, and the sum of the viewers."""
    merged: dict[int, Demand] = {}
    for demand in demands:
        known = merged.get(demand.width)
        if known is None:
            merged[demand.width] = demand
            continue
        fps = NATIVE if NATIVE in (known.fps, demand.fps) else max(known.fps, demand.fps)
        merged[demand.width] = Demand(demand.width, fps, known.viewers + demand.viewers)
    return merged


class Pace:
    """Selects at most `fps` frames per second from a stream, evenly.

    It uses a monotonic clock: the wall clock may be set back. Half a frame of credit suffices, so
    that jitter does not halve a source of the same rate. A rate of 0 selects nothing.
    """

    def __init__(self, fps: float) -> None:
        self.fps = fps
        self._credit = 1.0
        self._last: int | None = None

    def takes(self, now_ms: int) -> bool:
        """True if the frame at this monotonic time is selected. Call once per frame."""
        if self._last is not None:
            self._credit = min(1.5, self._credit + (now_ms - self._last) / 1000 * self.fps)
        self._last = now_ms
        if self._credit < 0.5 or not self.fps:
            return False
        self._credit -= 1
        return True
