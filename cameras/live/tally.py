"""What became of a camera's frames in this process, counted for `/metrics`. Django-free."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter

# Upper bounds in ms. The last place of `Tally.ages` is beyond them.
AGES_MS = (10, 25, 50, 100, 250, 500, 1000, 2500, 5000)


class Tally:
    """One camera's counts, since the process began. Bound: a few numbers a camera.

    `delivered` and `dropped` are by the kind of viewers who have left; those who are there count
    their own. `ages` counts deliveries by the picture's age then, `age_ms` is the sum of the ages.
    """

    __slots__ = ("age_ms", "ages", "delivered", "dropped", "received")

    def __init__(self) -> None:
        self.received = 0
        self.delivered: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()
        self.ages = [0] * (len(AGES_MS) + 1)
        self.age_ms = 0

    def aged(self, age_ms: int, deliveries: int = 1) -> None:
        """So many deliveries of pictures of that age."""
        self.ages[bisect_left(AGES_MS, age_ms)] += deliveries
        self.age_ms += age_ms * deliveries

    def retire(self, kind: str, delivered: int, dropped: int) -> None:
        """A viewer of this kind has left, who got so many frames and missed so many."""
        self.delivered[kind] += delivered
        self.dropped[kind] += dropped
