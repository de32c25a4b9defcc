"""Pictures of the demo's clip."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from cameras.ingest.worker.stream import Image
from tests.servers import PLAZA


@cache
def plaza(number: int) -> Image:
    """The picture of this number, BGR, as it was filmed."""
    clip = cv2.VideoCapture(str(PLAZA))
    clip.set(cv2.CAP_PROP_POS_FRAMES, number)
    whole, image = clip.read()
    clip.release()
    assert whole
    return image.astype(np.uint8, copy=False)
