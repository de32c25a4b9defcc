"""The process of one custom model: `python -m cameras.ingest.custom_models.main FD`.

FD is the inherited end of a connection to its parent; `protocol` says what goes over it. Before it
reads anything, the process drops its rights: see `confine`.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from cameras.ingest.custom_models import protocol
from cameras.ingest.custom_models.protocol import ModelFailed
from cameras.ingest.custom_models.validation import Model, check

NICE = 5  # pictures on their way to viewers go first


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


def main(fd: int) -> None:
    """Serve the link until it closes."""
    os.nice(NICE)
    confine()
    link = Connection(fd)
    request = json.loads(link.recv_bytes())
    signal.alarm(protocol.ORPHAN_S)
    try:
        model = Model(link.recv_bytes(), request["colours"], request["scale"])
        answer = check(model, request["labels"]) if request["check"] else {}
    except ModelFailed as error:
        answer = {"refused": error.sentence}
    except (MemoryError, RecursionError):
        answer = {"refused": "It needs more memory than a detector may have."}
    link.send_bytes(json.dumps(answer).encode())
    if not answer:  # neither checked nor refused
        _serve(link, model, request)


def _serve(link: Connection, model: Model, request: dict[str, Any]) -> None:
    chosen = np.array(request["chosen"], dtype=int)
    while True:
        signal.alarm(0)
        try:
            picture = link.recv_bytes()
        except EOFError:
            return
        signal.alarm(protocol.ORPHAN_S)
        image = np.frombuffer(picture, np.uint8).reshape(model.height, model.width, 3)
        output = model.look(image, request["classes"])
        link.send_bytes(_candidates(output, chosen, request["threshold"]).tobytes())


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
