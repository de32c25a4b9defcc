"""What a custom model's process and its parent agree on. Numpy- and onnxruntime-free.

They are linked by a `multiprocessing.connection.Connection`. The parent sends a request as JSON and
the ONNX file; the process answers with JSON: what it found, or `refused`, a sentence. To each later
picture, BGR bytes [height, width, 3], it answers with its candidates.
"""

from __future__ import annotations

MOST_BYTES = 64 * 1024 * 1024  # of an ONNX file
MEMORY = 1536 * 1024 * 1024  # bytes of address space; libraries take 200 MB of it
CHECK_S = 30.0  # for a whole check: start, load, three pictures
PICTURE_S = 1.0  # of computing for one picture, as measured in the check
LOAD_S = 30.0  # until a model that was checked takes pictures
ANSWER_S = 5.0  # for one picture, on a machine that has other work
ORPHAN_S = 60  # the process ends itself if it computes longer: its parent was killed
SMALLEST, LARGEST = 32, 1280  # pixels of the picture's sides
USUAL_SIDE = 640  # where the file leaves the size open
CANDIDATE_BYTES = 6 * 4  # float32: centre x, centre y, width, height, score, class index
BOXES = 1000  # candidates handed over for one picture; the most confident ones
MOST_JSON = 1024 * 1024  # a thousand labels in any script fit


class ModelFailed(Exception):
    """A model is refused, or failed while it was used. `sentence` is plain text for its owner."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence
