"""How often an own model failed: one that does so again and again is taken out of use."""

from __future__ import annotations

import time
from collections import defaultdict

MOST = 3
WITHIN_S = 600.0


class Blame:
    """Failures of the last `WITHIN_S`, by the model's id; `MOST` of each are kept."""

    def __init__(self) -> None:
        self._failures: dict[str, list[float]] = defaultdict(list)

    def note(self, model: str) -> bool:
        """One more; True where that was too many."""
        now = time.monotonic()
        recent = [at for at in self._failures[model] if at > now - WITHIN_S]
        self._failures[model] = [*recent, now][-MOST:]
        for other in [one for one, times in self._failures.items() if times[-1] <= now - WITHIN_S]:
            del self._failures[other]
        return len(recent) + 1 >= MOST
