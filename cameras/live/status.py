"""How a camera is doing, as its viewers are told. Django-free."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Status:
    """Times are unix ms; `reason` is a plain sentence or empty.

    `viewers` is how many watch, in all processes together; None where ingest has not said.
    `mark` names the privacy masks of pictures that follow, see marks.py; None likewise.
    """

    state: str
    since: int
    reason: str = ""
    last_frame: int | None = None
    viewers: int | None = None
    mark: str | None = None

    @classmethod
    def from_header(cls, header: dict[str, Any]) -> Status:
        """What the header of a state packet says."""
        return cls(
            header["state"],
            header["since"],
            header["reason"],
            header["last_frame"],
            header.get("viewers"),
            header.get("mark"),
        )

    @property
    def news(self) -> tuple[object, ...]:
        """What a viewer must be told of when it changes."""
        return self.state, self.since, self.reason, self.viewers

    def wire(self) -> dict[str, Any]:
        """The `sideline.v1` status message."""
        connecting = self.state == "connecting"  # not a word of the contract
        made = {
            "type": "status",
            "state": "offline" if connecting else self.state,
            "since": self.since,
            "reason": self.reason or ("Connecting." if connecting else ""),
            "last_frame": self.last_frame,
        }
        return made if self.viewers is None else made | {"viewers": self.viewers}
