"""Pictures of the demo clip."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from cameras.ingest.worker.picture import Image
from tests.servers import PLAZA


@cache
def plaza(number: int) -> Image:
    """Return the picture with this number as BGR pixels [height, width, 3]."""
    clip = cv2.VideoCapture(str(PLAZA))
    clip.set(cv2.CAP_PROP_POS_FRAMES, number)
    whole, image = clip.read()
    clip.release()
    assert whole
    return image.astype(np.uint8, copy=False)
