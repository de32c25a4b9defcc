"""Frames that were pushed before their camera had a reader: accepted, so they are not lost."""

from __future__ import annotations

from collections.abc import Container

from cameras.ingest.uplink import Packet

MOST = 16  # cameras; the one that has waited longest goes
KEEP_S = 5.0  # by then its reader is another process's, or there is none


class Early:
    """The newest such frame of each camera, at monotonic seconds.

    Bound: `MOST` for `KEEP_S`, which is 128 MiB: a push is at most 8 MiB.
    """

    def __init__(self) -> None:
        self._kept: dict[str, tuple[float, Packet]] = {}

    def put(self, packet: Packet, now: float) -> None:
        """Keep a `push` packet, over an older one of its camera."""
        camera_id = packet[0]["camera"]
        self._kept.pop(camera_id, None)
        self.forget(now)
        if len(self._kept) == MOST:
            del self._kept[next(iter(self._kept))]
        self._kept[camera_id] = now, packet

    def take(self, camera_id: str, now: float) -> Packet | None:
        """What was kept for it, once."""
        self.forget(now)
        return self._kept.pop(camera_id, (0.0, None))[1]

    def only(self, cameras: Container[str], looked: float) -> None:
        """These were switched on at a look that began then: others, pushed before, are off."""
        self._kept = {k: v for k, v in self._kept.items() if k in cameras or v[0] >= looked}

    def forget(self, now: float) -> None:
        """What nobody fetched in time."""
        self._kept = {k: each for k, each in self._kept.items() if now - each[0] < KEEP_S}
