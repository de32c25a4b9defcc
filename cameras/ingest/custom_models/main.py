"""The process of one custom model: `python -m cameras.ingest.custom_models.main FD`.

FD is an inherited end of a Unix socket pair. The parent sends a JSON request (`protocol.send`), the
ONNX file, and then pictures: BGR bytes [height, width, 3] of the size that the response names. The
process sends that response, and per picture a count and that many candidates (`protocol.VALUES`
float32 each).

Before it loads the model, the process drops its rights: see `confine`.
"""

from __future__ import annotations

import math
import os
import resource
import signal
import socket
import struct
import sys
from typing import Any, NoReturn

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from cameras.ingest.custom_models import protocol
from cameras.ingest.custom_models.protocol import ModelFailed
from cameras.ingest.custom_models.validation import Model, check

NICE = 5  # pictures on their way to viewers go first
_COUNT = struct.Struct("=I")


def confine() -> None:
    """From now on no file or socket can be opened, nothing written, and memory has an end."""
    with open("/proc/self/oom_score_adj", "w") as score:
        score.write("900")  # where the machine runs out of memory, this goes first
    for what, most in (
        (resource.RLIMIT_NOFILE, 0),  # those that are open stay
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_AS, protocol.MEMORY),
    ):
        resource.setrlimit(what, (most, most))


def main(fd: int) -> NoReturn:
    """Serve the link until it closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICE)
    link = socket.socket(fileno=fd)
    asked = protocol.receive(link)
    data = bytes(protocol.exactly(link, int(asked["bytes"])))
    confine()
    checking = bool(asked["check"])
    limit = float(asked["seconds"])
    signal.setitimer(signal.ITIMER_REAL, limit)  # kills, even an orphan that computes for ever
    if checking:
        cpu = math.ceil(limit)  # with equal limits the kernel kills without saying why
        resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 1))
    try:
        model = Model(data, str(asked["colours"]), str(asked["scale"]))
        answer = check(model, asked["labels"]) if checking else model.facts()
    except ModelFailed as error:
        answer = {"refused": error.sentence}
    except (MemoryError, RecursionError):
        answer = {"refused": "It needs more memory than a detector may have."}
    protocol.send(link, answer)
    if not checking and "refused" not in answer:
        del data
        _serve(link, model, asked)
    os._exit(0)


def _serve(link: socket.socket, model: Model, asked: dict[str, Any]) -> None:
    chosen = np.array(asked["chosen"], dtype=int)
    while True:
        signal.setitimer(signal.ITIMER_REAL, 0)
        try:
            picture = protocol.exactly(link, model.height * model.width * 3)
        except EOFError:
            return
        signal.setitimer(signal.ITIMER_REAL, float(asked["each"]))
        image = np.frombuffer(picture, np.uint8).reshape(model.height, model.width, 3)
        found = _candidates(model.look(image, int(asked["classes"])), chosen, asked["threshold"])
        link.sendall(_COUNT.pack(len(found)) + found.tobytes())


def _candidates(
    output: NDArray[np.float32], chosen: NDArray[np.int_], threshold: float
) -> NDArray[np.float32]:
    """The most confident ones [n, 6] of the chosen classes; `output` is [4 + classes, boxes]."""
    among = output[4:][chosen]
    best = among.argmax(axis=0)
    score = among[best, np.arange(among.shape[1])]
    places = np.flatnonzero(score >= threshold)  # not where it is NaN
    places = places[np.argsort(-score[places], kind="stable")[: protocol.BOXES]]
    rows = (output[:4, places].T, score[places, None], chosen[best[places], None])
    return np.hstack(rows).astype(np.float32)


if __name__ == "__main__":
    onnxruntime.set_default_logger_severity(4)
    main(int(sys.argv[1]))
