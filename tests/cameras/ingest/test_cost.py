"""CPU cost of a camera, and delay of its pictures."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import pytest

from cameras.ingest.worker.detector import Detector
from cameras.ingest.worker.follower import DETECTIONS_PER_SECOND
from tests.bench.ingest import clip_720p, settle, window
from tests.cameras.ingest.worker.driven import worker
from tests.servers import PLAZA

pytestmark = pytest.mark.timing

LOOKS = 10


def look_s() -> float:
    """CPU seconds of one look of the detector, here and now."""
    with av.open(str(PLAZA)) as clip:
        image = next(clip.decode(video=0)).to_ndarray(format="bgr24")
    detector = Detector()
    detector.detect(image)
    began = time.process_time()
    for _ in range(LOOKS):
        detector.detect(image)
    return (time.process_time() - began) / LOOKS


def test_camera_uses_little_cpu_and_unwatched_camera_almost_none() -> None:
    """The limit: what its looks cost here and now, a fifth more, and 0.1 core for all the rest.

    A look costs twice as much on one machine as on another.
    """
    look = look_s()
    with worker(detect=True) as busy, worker() as idle:
        settle(busy, watched=True, detect=True)
        settle(idle, watched=False, detect=False)
        with ThreadPoolExecutor(2) as pool:
            seen, unseen = pool.map(lambda driver: window(driver, 5), (busy, idle))
    assert seen.cores <= 0.1 + 1.2 * max(look, look_s()) * DETECTIONS_PER_SECOND
    assert unseen.cores <= 0.1
    assert seen.delays
    assert not unseen.delays


@pytest.mark.parametrize("detect", [False, True])
def test_picture_is_published_within_30_ms(tmp_path: Path, detect: bool) -> None:
    source = clip_720p(tmp_path).name
    with worker(kind="file", source=source, media_root=str(tmp_path), detect=detect) as driver:
        settle(driver, watched=True, detect=detect)
        worst = []
        for _ in range(3):  # the machine may be busy; the best window counts
            worst.append(window(driver, 3).percentile(0.95))
            if worst[-1] <= 30:
                return
        raise AssertionError(f"95 % of the frames came within {min(worst):.0f} ms, not 30")
