"""Multi-object tracking: two-stage association, as in ByteTrack, with constant-velocity prediction.

Confident detections are matched first and may start tracks; weak ones may only continue one.
Matching is greedy, by overlap (IoU), or by the distance of centres if boxes do not overlap.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cameras.ingest.worker.detector import VEHICLES
from cameras.live.frames import Detection

SHOWN_MS = 1000  # a track without new detections is shown for this long
TRUSTED_MS = 3000  # without any update, all tracks are shown for this long
KEPT_MS = 2500  # a track without new detections can be continued for this long
AHEAD_MS = 600  # a box is predicted at most this far from its last detection
MAX_TRACKS = 128
MIN_IOU = 0.25
MAX_DISTANCE = 0.7  # between centres, in mean box diagonals, for boxes that do not overlap
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
        """Return the predicted x, y, width, height at a time in monotonic ms."""
        ahead = min(max(timestamp - self.seen, -AHEAD_MS), AHEAD_MS)
        box = np.array(self.detection.bbox)
        box[:2] += self.velocity * ahead
        return box


class Tracker:
    """Gives detections a `track_id`, counted from 1. Thread-safe. Bound: `MAX_TRACKS` tracks.

    Detections with a confidence of at least `confident` may start a track.
    """

    def __init__(self, confident: float = 0.40) -> None:
        self._confident = confident
        self._tracks: list[_Track] = []
        self._next_id = 1
        self._size = (0, 0)
        self._updated: int | None = None
        self._lock = threading.Lock()

    def update(self, detections: list[Detection], timestamp_ms: int, size: tuple[int, int]) -> None:
        """Add the detections of one picture; `size` is its width and height in pixels.

        `timestamp_ms` is monotonic: where a clock is set, no track is lost. Ignore a picture that
        is not newer than the last one. A new size drops all tracks.
        """
        with self._lock:
            if self._updated is not None and timestamp_ms <= self._updated:
                return
            if size != self._size:
                self._tracks, self._size = [], size
            self._updated = timestamp_ms
            finite = [d for d in detections if np.isfinite((*d.bbox, d.confidence)).all()]
            strong = [d for d in finite if d.confidence >= self._confident]
            weak = [d for d in finite if d.confidence < self._confident]
            free, new = self._associate(strong, self._tracks, timestamp_ms)
            self._associate(weak, free, timestamp_ms)
            for detection in new:
                still = np.zeros(2)
                self._tracks.append(_Track(self._next_id, detection, timestamp_ms, still))
                self._next_id += 1
            kept = [t for t in self._tracks if timestamp_ms - t.seen <= KEPT_MS]
            self._tracks = sorted(kept, key=lambda t: (t.seen, t.hits))[-MAX_TRACKS:]

    def detections_at(self, timestamp_ms: int) -> list[Detection]:
        """Return the tracks predicted to a picture's time, clipped to it, ordered by `track_id`.

        `confidence` is the last one that reached the threshold.
        """
        with self._lock:
            if self._updated is None or abs(timestamp_ms - self._updated) > TRUSTED_MS:
                return []
            width, height = self._size
            found = []
            for track in sorted(self._tracks, key=lambda t: t.id):
                if self._updated - track.seen > SHOWN_MS:
                    continue
                x, y, w, h = (float(v) for v in track.box_at(timestamp_ms))
                left, top = max(0.0, x), max(0.0, y)
                bbox = (left, top, min(width, x + w) - left, min(height, y + h) - top)
                if bbox[2] >= 1 and bbox[3] >= 1:
                    found.append(replace(track.detection, bbox=bbox, track_id=track.id))
            return found

    def _associate(
        self, detections: list[Detection], tracks: list[_Track], now: int
    ) -> tuple[list[_Track], list[Detection]]:
        """Continue tracks with matching detections; return the unmatched tracks and detections."""
        if not detections or not tracks:
            return list(tracks), list(detections)
        similarity = _similarity(
            np.array([t.box_at(now) for t in tracks]), np.array([d.bbox for d in detections])
        )
        for i, track in enumerate(tracks):
            for j, detection in enumerate(detections):
                if _category(track.detection.label) != _category(detection.label):
                    similarity[i, j] = 0
        matched_tracks, matched_detections = set(), set()
        for flat in np.argsort(similarity, axis=None)[::-1]:
            i, j = divmod(int(flat), len(detections))
            if similarity[i, j] <= 0:
                break
            if i not in matched_tracks and j not in matched_detections:
                matched_tracks.add(i)
                matched_detections.add(j)
                _continue(tracks[i], detections[j], now, self._confident)
        return (
            [track for i, track in enumerate(tracks) if i not in matched_tracks],
            [detection for j, detection in enumerate(detections) if j not in matched_detections],
        )


def _category(label: str) -> str:
    return "vehicle" if label in VEHICLES else label


def _continue(track: _Track, detection: Detection, now: int, confident: float) -> None:
    old, new = np.array(track.detection.bbox), np.array(detection.bbox)
    moved = (new[:2] + new[2:] / 2 - old[:2] - old[2:] / 2) / max(now - track.seen, 1)
    weight = 1.0 if track.hits == 1 else SMOOTHING
    track.velocity = (1 - weight) * track.velocity + weight * moved
    # The first label stays, so a "car" does not flicker to "truck" and back.
    confident_one = detection if detection.confidence >= confident else track.detection
    track.detection = replace(
        detection, label=track.detection.label, confidence=confident_one.confidence
    )
    track.seen, track.hits = now, track.hits + 1


def _similarity(tracks: Boxes, detections: Boxes) -> Boxes:
    """Return [tracks, detections]: 1 + IoU if boxes overlap enough, 0 to 1 by distance, else 0."""
    a, b = tracks[:, None], detections[None]
    low = np.maximum(a[..., :2], b[..., :2])
    high = np.minimum(a[..., :2] + a[..., 2:], b[..., :2] + b[..., 2:])
    intersection = np.clip(high - low, 0, None).prod(axis=2)
    area_a, area_b = a[..., 2:].prod(axis=2), b[..., 2:].prod(axis=2)
    iou = intersection / np.maximum(area_a + area_b - intersection, 1e-9)
    offset = a[..., :2] + a[..., 2:] / 2 - b[..., :2] - b[..., 2:] / 2
    gap = np.sqrt((offset**2).sum(axis=2))
    diagonal = (np.sqrt((a[..., 2:] ** 2).sum(axis=2)) + np.sqrt((b[..., 2:] ** 2).sum(axis=2))) / 2
    distance = gap / np.maximum(diagonal, 1e-9)
    is_similar_size = np.minimum(area_a, area_b) > 0.4 * np.maximum(area_a, area_b)
    near = np.where((distance < MAX_DISTANCE) & is_similar_size, 1 - distance / MAX_DISTANCE, 0)
    similarity: Boxes = np.where(iou >= MIN_IOU, 1 + iou, near)
    return similarity
