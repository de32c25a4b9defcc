"""One decoded frame that several threads make pictures of."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import av
import numpy as np
from numpy.typing import NDArray

from cameras.ingest.worker.masks import Masks
from cameras.ingest.worker.upright import Turn, UprightFrame
from tests.servers import PLAZA

FRAMES = 20
WIDTHS = range(100, 164, 8)
THREADS = 4


def test_threads_convert_one_frame_at_the_same_time() -> None:
    """Each gets what one alone gets. With PyAV's own converters, the process crashes or hangs."""

    def planes(frame: UprightFrame) -> list[NDArray[np.uint8]]:
        return [frame.luma(width, 60) for width in WIDTHS]

    def together(frame: UprightFrame, start: threading.Barrier) -> list[NDArray[np.uint8]]:
        start.wait()
        return [frame.pixels(), *planes(frame)]

    with av.open(str(PLAZA)) as clip, ThreadPoolExecutor(THREADS) as pool:
        decoded = clip.decode(video=0)
        for _ in range(FRAMES):
            image = next(decoded)
            alone = UprightFrame(image, Turn(), Masks())
            wanted = [alone.pixels(), *planes(alone)]
            shared, start = UprightFrame(image, Turn(), Masks()), threading.Barrier(THREADS)
            found = [pool.submit(together, shared, start) for _ in range(THREADS)]
            for one in found:
                for image_found, image_wanted in zip(one.result(), wanted, strict=True):
                    assert np.array_equal(image_found, image_wanted)
