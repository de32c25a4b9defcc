"""Which version of a camera's pictures somebody wants: how wide, how many a second. Django-free."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

WIDTHS = (320, 640)
RATES = (1, 5, 10)
NATIVE = 0  # as the camera's settings say


@dataclass(frozen=True, slots=True)
class Variant:
    """`width` in pixels and `fps` in frames a second at most; `NATIVE` is no bound of the viewer's.

    Widths are encoded by ingest, once each; rates are picked from what a width has.
    """

    width: int = NATIVE
    fps: int = NATIVE

    @classmethod
    def asked(cls, query: Mapping[str, str]) -> Variant:
        """The heaviest allowed variant that is no heavier than `?width=` and `?fps=` ask for.

        What is below the lightest gets the lightest; what is no number gets the native one.
        """
        return cls(_allowed(query.get("width"), WIDTHS), _allowed(query.get("fps"), RATES))


def _allowed(text: str | None, values: tuple[int, ...]) -> int:
    if not text or not text.isascii() or not text.isdigit() or len(text) > 6:
        return NATIVE
    return max((value for value in values if value <= int(text)), default=values[0])


@dataclass(frozen=True, slots=True)
class Wish:
    """What is wanted of one width of a camera: `fps` at most (or `NATIVE`), by so many viewers."""

    width: int
    fps: int
    viewers: int


def combined(wishes: Iterable[Wish]) -> dict[int, Wish]:
    """One wish for each width: the highest rate that any of them wants, all viewers together."""
    found: dict[int, Wish] = {}
    for wish in wishes:
        known = found.get(wish.width)
        if known is None:
            found[wish.width] = wish
            continue
        fps = NATIVE if NATIVE in (known.fps, wish.fps) else max(known.fps, wish.fps)
        found[wish.width] = Wish(wish.width, fps, known.viewers + wish.viewers)
    return found


class Pace:
    """Picks frames from a stream so that at most `fps` a second are taken, evenly.

    It goes by a monotonic clock: the wall clock may be set back. Half a frame of credit suffices,
    so that jitter does not halve an equal rate; a rate of 0 takes nothing.
    """

    def __init__(self, fps: float) -> None:
        self.fps = fps
        self._credit = 1.0
        self._last: int | None = None

    def takes(self, now_ms: int) -> bool:
        """Whether the frame that comes at that monotonic ms is one of them; ask once for each."""
        if self._last is not None:
            self._credit = min(1.5, self._credit + (now_ms - self._last) / 1000 * self.fps)
        self._last = now_ms
        if self._credit < 0.5 or not self.fps:
            return False
        self._credit -= 1
        return True
