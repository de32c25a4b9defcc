"""Who is who between pictures: two-stage association over constant-velocity prediction.

Confident detections are matched first and may start tracks; weak ones may only continue one.
Overlap (IoU) decides where there is any, the distance of centres where there is none.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cameras.ingest.worker.detector import VEHICLES
from cameras.live.frames import Detection

SHOWN_MS = 1000  # a track that the detector no longer sees is shown this long
TRUSTED_MS = 3000  # and all of them this long after the detector last looked at all
KEPT_MS = 2500  # and can be found again for this long
AHEAD_MS = 600  # a box is not moved further than this from where it was seen
MAX_TRACKS = 128
MIN_IOU = 0.25
MAX_DISTANCE = 0.7  # of the mean diagonal, for centres that moved further than the boxes overlap
SMOOTHING = 0.4  # weight of the newest velocity

Boxes = NDArray[np.float64]


@dataclass(slots=True)
class _Track:
    id: int
    detection: Detection
    seen: int
    velocity: Boxes  # [2], pixels per ms
    hits: int = 1

    def box_at(self, timestamp: int) -> Boxes:
        """x, y, width, height where the object should be."""
        ahead = min(max(timestamp - self.seen, -AHEAD_MS), AHEAD_MS)
        box = np.array(self.detection.bbox)
        box[:2] += self.velocity * ahead
        return box


class Tracker:
    """Gives detections a `track_id` from 1. Thread-safe. Holds at most `MAX_TRACKS` tracks.

    `confident`: detections at or above it may start a track.
    """

    def __init__(self, confident: float = 0.40) -> None:
        self._confident = confident
        self._tracks: list[_Track] = []
        self._next_id = 1
        self._size = (0, 0)
        self._updated: int | None = None
        self._lock = threading.Lock()

    def update(self, detections: list[Detection], timestamp_ms: int, size: tuple[int, int]) -> None:
        """Take the detections of the picture of that time, `size` its width and height in pixels.

        A picture that is not newer than the last is ignored. A new size forgets every track.
        """
        with self._lock:
            if self._updated is not None and timestamp_ms <= self._updated:
                return
            if size != self._size:
                self._tracks, self._size = [], size
            self._updated = timestamp_ms
            sound = [d for d in detections if np.isfinite((*d.bbox, d.confidence)).all()]
            strong = [d for d in sound if d.confidence >= self._confident]
            weak = [d for d in sound if d.confidence < self._confident]
            free, new = self._associate(strong, self._tracks, timestamp_ms)
            self._associate(weak, free, timestamp_ms)
            for detection in new:
                still = np.zeros(2)
                self._tracks.append(_Track(self._next_id, detection, timestamp_ms, still))
                self._next_id += 1
            kept = [t for t in self._tracks if timestamp_ms - t.seen <= KEPT_MS]
            self._tracks = sorted(kept, key=lambda t: (t.seen, t.hits))[-MAX_TRACKS:]

    def at(self, timestamp_ms: int) -> list[Detection]:
        """The boxes moved to a picture's time and clipped to it, by `track_id`.

        `confidence` is the last one that reached the threshold.
        """
        with self._lock:
            if self._updated is None or abs(timestamp_ms - self._updated) > TRUSTED_MS:
                return []
            width, height = self._size
            made = []
            for track in sorted(self._tracks, key=lambda t: t.id):
                if self._updated - track.seen > SHOWN_MS:
                    continue
                x, y, w, h = (float(v) for v in track.box_at(timestamp_ms))
                left, top = max(0.0, x), max(0.0, y)
                bbox = (left, top, min(width, x + w) - left, min(height, y + h) - top)
                if bbox[2] >= 1 and bbox[3] >= 1:
                    made.append(replace(track.detection, bbox=bbox, track_id=track.id))
            return made

    def _associate(
        self, detections: list[Detection], tracks: list[_Track], now: int
    ) -> tuple[list[_Track], list[Detection]]:
        """Continue tracks with detections; the tracks and the detections that found no partner."""
        if not detections or not tracks:
            return list(tracks), list(detections)
        likeness = _likeness(
            np.array([t.box_at(now) for t in tracks]), np.array([d.bbox for d in detections])
        )
        for i, track in enumerate(tracks):
            for j, detection in enumerate(detections):
                if _family(track.detection.label) != _family(detection.label):
                    likeness[i, j] = 0
        taken, used = set(), set()
        for flat in np.argsort(likeness, axis=None)[::-1]:
            i, j = divmod(int(flat), len(detections))
            if likeness[i, j] <= 0:
                break
            if i not in taken and j not in used:
                taken.add(i)
                used.add(j)
                _continue(tracks[i], detections[j], now, self._confident)
        return (
            [track for i, track in enumerate(tracks) if i not in taken],
            [detection for j, detection in enumerate(detections) if j not in used],
        )


def _family(label: str) -> str:
    return "vehicle" if label in VEHICLES else label


def _continue(track: _Track, detection: Detection, now: int, confident: float) -> None:
    old, new = np.array(track.detection.bbox), np.array(detection.bbox)
    moved = (new[:2] + new[2:] / 2 - old[:2] - old[2:] / 2) / max(now - track.seen, 1)
    weight = 1.0 if track.hits == 1 else SMOOTHING
    track.velocity = (1 - weight) * track.velocity + weight * moved
    # The first name stays: "car" does not turn into "truck" for a picture or two.
    sure = detection if detection.confidence >= confident else track.detection
    track.detection = replace(detection, label=track.detection.label, confidence=sure.confidence)
    track.seen, track.hits = now, track.hits + 1


def _likeness(tracks: Boxes, detections: Boxes) -> Boxes:
    """[tracks, detections]: 1 + IoU where boxes overlap enough, 0 to 1 by distance, else 0."""
    a, b = tracks[:, None], detections[None]
    low = np.maximum(a[..., :2], b[..., :2])
    high = np.minimum(a[..., :2] + a[..., 2:], b[..., :2] + b[..., 2:])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    area_a, area_b = a[..., 2:].prod(axis=2), b[..., 2:].prod(axis=2)
    iou = shared / np.maximum(area_a + area_b - shared, 1e-9)
    apart = a[..., :2] + a[..., 2:] / 2 - b[..., :2] - b[..., 2:] / 2
    between = np.sqrt((apart**2).sum(axis=2))
    diagonal = (np.sqrt((a[..., 2:] ** 2).sum(axis=2)) + np.sqrt((b[..., 2:] ** 2).sum(axis=2))) / 2
    distance = between / np.maximum(diagonal, 1e-9)
    alike = np.minimum(area_a, area_b) > 0.4 * np.maximum(area_a, area_b)
    near = np.where((distance < MAX_DISTANCE) & alike, 1 - distance / MAX_DISTANCE, 0)
    made: Boxes = np.where(iou >= MIN_IOU, 1 + iou, near)
    return made
